//! New inputs from old ones: the same for the same number, so that what failed can be done again.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Longer inputs are cut: length by itself has tests of its own.
const BYTES_MAX: usize = 4_096;
/// Changes that are made to one input, at most.
const CHANGES_MAX: u32 = 6;

/// What has broken parsers before.
const WORDS: &[&[u8]] = &[
    b"\0",
    b"\r\n",
    b"\n ",
    b"\t",
    b" ",
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"\xef\xbb\xbf",
    b"\xff",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    "\u{202e}".as_bytes(),
    "\u{200b}".as_bytes(),
    "\u{2028}".as_bytes(),
    "\u{ad}".as_bytes(),
    "１".as_bytes(),
    "。".as_bytes(),
    "🚀".as_bytes(),
    b"%00",
    b"%0d%0a",
    b"..",
    b"/../",
    b"~1",
    b"~0",
    b"~",
    b"*",
    b",",
    b".",
    b"@",
    b"#",
    b"[",
    b"]",
    b"{",
    b"}",
    b"[[[[[[[[",
    b"{\"a\":{\"a\":{\"a\":",
    b"null",
    b"true",
    b"-0",
    b"1e400",
    b"1E+2",
    b"-1",
    b"0x7f",
    b"NaN",
    b"9007199254740993",
    b"9223372036854775807",
    b"9223372036854775808",
    b"18446744073709551616",
    b"99999999999999999999999",
    b"__proto__",
    b"constructor",
    b"{\"$ref\":\"#\"}",
    b"\"$ref\":\"#/\"",
    b"(a+)+$",
    b"(?:\\\\w{500}){9}",
    b"v1,",
    b"whsec_",
    b"Bearer ",
];

/// Makes inputs of seeds.
#[derive(Debug)]
pub struct Mutator<'s> {
    seeds: &'s [(String, Vec<u8>)],
    random: StdRng,
}

impl<'s> Mutator<'s> {
    /// One whose inputs are decided by the number.
    pub fn new(seeds: &'s [(String, Vec<u8>)], number: u64) -> Self {
        Self { seeds, random: StdRng::seed_from_u64(number) }
    }

    fn seed(&mut self) -> &'s [u8] {
        if self.seeds.is_empty() {
            return b"";
        }
        let place = self.random.random_range(0..self.seeds.len());
        self.seeds.get(place).map_or(b"", |(_, bytes)| bytes)
    }

    fn place(&mut self, input: &[u8]) -> usize {
        self.random.random_range(0..=input.len())
    }

    /// The next input.
    pub fn input(&mut self) -> Vec<u8> {
        let mut input = self.seed().to_vec();
        for _ in 0..self.random.random_range(1..=CHANGES_MAX) {
            self.change(&mut input);
        }
        input.truncate(BYTES_MAX);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let (from, to) = (self.place(input), self.place(input));
        let (from, to) = (from.min(to), from.max(to));
        match self.random.random_range(0..9_u8) {
            0 => {
                let bit = self.random.random_range(0..8_u8);
                if let Some(byte) = input.get_mut(from) {
                    *byte ^= 1 << bit;
                }
            }
            1 => {
                let any = self.random.random();
                if let Some(byte) = input.get_mut(from) {
                    *byte = any;
                }
            }
            2 => {
                input.drain(from..to.min(from.saturating_add(16)));
            }
            3 => input.truncate(from),
            4 => {
                let part = input.get(from..to).unwrap_or_default().to_vec();
                input.splice(to..to, part);
            }
            5 => {
                let other = self.seed();
                let tail = other.get(self.random.random_range(0..=other.len())..);
                input.splice(from.., tail.unwrap_or_default().iter().copied());
            }
            6 => {
                let count = self.random.random_range(1..64);
                let byte = input.get(from).copied().unwrap_or(b'a');
                input.splice(from..from, std::iter::repeat_n(byte, count));
            }
            _ => {
                let word = self.random.random_range(0..WORDS.len());
                let word = WORDS.get(word).copied().unwrap_or_default();
                // Instead of something half of the time, otherwise in between.
                let end = if self.random.random() { to.min(from + word.len()) } else { from };
                input.splice(from..end, word.iter().copied());
            }
        }
    }
}
