//! Ids from seeds: the same seed, request and ordinal give the same id again.

use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use uuid::{Builder, Uuid};

use crate::{Id, Kind, RequestId, Timestamp};

/// Where the random bits of ids come from: the system's randomness in production, a number in
/// tests.
#[derive(Clone, Copy)]
pub struct IdSeed([u8; 16]);

impl std::fmt::Debug for IdSeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdSeed(..)")
    }
}

impl IdSeed {
    /// A seed from sixteen random bytes.
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// A seed for tests.
    pub const fn from_number(number: u64) -> Self {
        let mut bytes = [0; 16];
        let low = number.to_le_bytes();
        let mut i = 0;
        while i < 8 {
            bytes[i] = low[i];
            i += 1;
        }
        Self(bytes)
    }

    /// The ids of one request or job, in order. A unit of work that runs again starts again, and
    /// so mints the same ids.
    pub fn ordinals(&self, request_id: RequestId, now: Timestamp) -> Ordinals {
        let mut seed = [0_u8; 32];
        seed[..16].copy_from_slice(&self.0);
        seed[16..].copy_from_slice(request_id.uuid().as_bytes());
        Ordinals { rng: StdRng::from_seed(seed), millis: now.micros().div_euclid(1_000), count: 0 }
    }

    /// The id of the request with this number since the process began.
    pub fn request_id(&self, number: u64, now: Timestamp) -> RequestId {
        let mut seed = [0_u8; 32];
        seed[..16].copy_from_slice(&self.0);
        seed[16..24].copy_from_slice(&number.to_le_bytes());
        let mut rng = StdRng::from_seed(seed);
        RequestId::from_uuid(v7(now.micros().div_euclid(1_000), 0, &mut rng))
    }
}

/// The ids of one unit of work, in the order in which it asks for them.
#[derive(Debug)]
pub struct Ordinals {
    rng: StdRng,
    millis: i64,
    count: u16,
}

impl Ordinals {
    /// The next id. Ids of one unit sort in the order in which they were minted.
    pub fn mint<K: Kind>(&mut self) -> Id<K> {
        let ordinal = self.count;
        self.count = self.count.wrapping_add(1);
        Id::from_uuid(v7(self.millis, ordinal, &mut self.rng))
    }
}

/// A UUIDv7 whose twelve `rand_a` bits are an ordinal (RFC 9562, section 6.2, method 1).
fn v7(millis: i64, ordinal: u16, rng: &mut StdRng) -> Uuid {
    let mut tail = [0_u8; 10];
    rng.fill_bytes(&mut tail);
    let [high, low] = (ordinal & 0x0fff).to_be_bytes();
    tail[0] = high;
    tail[1] = low;
    Builder::from_unix_timestamp_millis(u64::try_from(millis).unwrap_or(0), &tail).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CustomerId, EventId};

    #[test]
    fn a_second_run_mints_the_same_ids_in_the_same_order() {
        let seed = IdSeed::from_number(42);
        let now = Timestamp::from_micros(1_795_437_004_123_456);
        let request = seed.request_id(1, now);
        let mut first = seed.ordinals(request, now);
        let mut again = seed.ordinals(request, now);
        let customer: CustomerId = first.mint();
        let event: EventId = first.mint();
        assert_eq!((customer, event), (again.mint(), again.mint()));
        assert!(customer.uuid() < event.uuid(), "ids of one unit sort as they were minted");
        assert_ne!(seed.request_id(2, now), request);
        assert_eq!(customer.uuid().get_version_num(), 7);
    }
}
