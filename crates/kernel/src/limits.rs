//! Every bound, with its unit and its reason. Nothing in Tidings is without one.

use std::time::Duration;

/// The largest request body outside uploads, in bytes.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;
/// The largest body of a batch of custom events, in bytes.
pub const BATCH_BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The most custom events in one batch; a batch is atomic, so this bounds a transaction.
pub const BATCH_EVENTS_MAX: usize = 1_000;
/// The deepest nesting of a JSON body.
pub const JSON_DEPTH_MAX: usize = 64;
/// The largest event data that is accepted by default, in bytes.
pub const EVENT_DATA_BYTES_MAX: usize = 256 * 1024;
/// Rows of a page where the caller does not say.
pub const PAGE_ROWS_DEFAULT: i64 = 50;
/// The most rows of a page.
pub const PAGE_ROWS_MAX: i64 = 200;
/// The whole of a request, from its head to its answer.
pub const REQUEST_MAX: Duration = Duration::from_mins(1);
/// The longest `Idempotency-Key`, in characters.
pub const IDEMPOTENCY_KEY_CHARS_MAX: usize = 255;
/// How long a call waits for the first one with its `Idempotency-Key`.
pub const IDEMPOTENCY_WAIT_MAX: Duration = Duration::from_secs(5);
/// How long an idempotent reply is kept: twice what is promised.
pub const IDEMPOTENCY_KEPT: Duration = Duration::from_hours(48);
/// How long a custom event's `event_id` is remembered.
pub const PUBLICATION_KEPT: Duration = Duration::from_hours(30 * 24);
/// How often a unit of work runs again after a conflict before the caller is told to.
pub const UNIT_RERUNS_MAX: u32 = 5;
/// The most units that share one flush.
pub const GROUP_UNITS_MAX: usize = 512;
/// How long a group of units may run before it is flushed.
pub const GROUP_TIME_MAX: Duration = Duration::from_millis(10);
/// Units that may wait for the writer before callers are told to come back.
pub const WRITER_QUEUE_MAX: usize = 4_096;
/// Rows that one purge or sweep takes in one unit.
pub const SWEEP_ROWS_MAX: i64 = 500;
/// Keys of an object's `metadata`.
pub const METADATA_KEYS_MAX: usize = 50;
/// Characters of a `metadata` key.
pub const METADATA_KEY_CHARS_MAX: usize = 40;
/// Characters of a `metadata` value.
pub const METADATA_VALUE_CHARS_MAX: usize = 500;
/// Tags of one object.
pub const TAGS_MAX: usize = 50;
/// Characters of a tag.
pub const TAG_CHARS_MAX: usize = 50;
/// Custom fields of one object.
pub const CUSTOM_FIELDS_MAX: usize = 50;
/// The largest amount of money, and the largest sum of one object's amounts, in minor units: more than
/// any currency needs, and so little that thousands of them add up within 64 bits.
pub const AMOUNT_MAX: i64 = 1_000_000_000_000_000;
/// Customer segments of one tenant.
pub const SEGMENTS_MAX: i64 = 200;
/// Contacts of one customer.
pub const CONTACTS_MAX: i64 = 50;
/// The last page of a list that can be asked for by its number; further on there are cursors.
pub const PAGE_NUMBER_MAX: i64 = 1_000;
/// Rows of a page that is asked for by its number.
pub const NUMBERED_PAGE_ROWS_MAX: i64 = 100;
/// Webhook subscriptions of one tenant.
pub const SUBSCRIPTIONS_MAX: i64 = 1_000;
/// Event filters of one subscription.
pub const FILTERS_MAX: usize = 100;
/// Custom headers of one subscription.
pub const CUSTOM_HEADERS_MAX: usize = 20;
/// Bytes of a custom header's value.
pub const CUSTOM_HEADER_BYTES_MAX: usize = 4_096;
/// Custom event types of one tenant.
pub const EVENT_TYPES_MAX: i64 = 500;
/// API keys of one tenant that are not revoked.
pub const API_KEYS_MAX: i64 = 200;
/// Deliveries that an endpoint's window starts with.
pub const WINDOW_START: usize = 4;
/// Deliveries that an endpoint may have in flight while it answers well.
pub const WINDOW_MAX: usize = 64;
/// Deliveries that wait in memory for one endpoint; the rest waits in the database.
pub const LANE_QUEUE_MAX: usize = 256;
/// Deliveries that the engine holds in memory in all.
pub const ENGINE_QUEUE_MAX: usize = 20_000;
/// Outcomes that are written together.
pub const SETTLE_BATCH_MAX: usize = 512;
/// How long an outcome waits for others to be written with.
pub const SETTLE_WAIT: Duration = Duration::from_millis(5);
/// What cannot be dealt with at present, because its rows cannot be read or its end cannot be
/// written, is left alone for so long.
pub const LEFT_FOR: Duration = Duration::from_mins(1);
/// How often the end of a delivery is written before it is left for later.
pub const END_TRIES_MAX: u32 = 10;
/// A node says that it lives.
pub const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);
/// A node that has not said so for this long is dead, and is fenced.
pub const NODE_DEAD_AFTER: Duration = Duration::from_secs(3);
/// The longest wait that a receiver can ask for with `Retry-After`.
pub const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);
/// Graceful drain after a first termination signal.
pub const DRAIN_MAX: Duration = Duration::from_secs(25);
/// Live streams of one tenant in one process.
pub const STREAMS_OF_TENANT_MAX: usize = 10;
/// Live streams of one process: a quarter of the connections that it takes.
pub const STREAMS_MAX: usize = 1_000;
/// Deliveries that a replay makes in a second where the caller does not say.
pub const REPLAY_RATE_DEFAULT: u32 = 100;
/// The most deliveries that a replay makes in a second: it is no substitute for live traffic.
pub const REPLAY_RATE_MAX: u32 = 1_000;
/// Deliveries of a replay that may be under way: two seconds at its fastest, so that what fails holds
/// up the replay and not the database.
pub const REPLAY_UNDER_WAY_MAX: i64 = 2_000;
/// Deliveries that a replay plans in one unit of work, which is a bulk one.
pub const REPLAY_BATCH_MAX: i64 = 200;
/// Events of the log that a replay looks at in one unit of work.
pub const REPLAY_WINDOW: i64 = 500;
/// Events of the log that a dry run looks at; what is behind them is not counted.
pub const REPLAY_DRY_RUN_MAX: i64 = 100_000;
/// Replays of one tenant that run at the same time.
pub const REPLAYS_RUNNING_MAX: i64 = 20;
/// Erasures of a tenant that are under way, of those that somebody asked for: nodes keep them in memory.
pub const ERASURES_UNFINISHED_MAX: i64 = 1_000;
/// Spans that wait to be sent to a collector; more are dropped, and counted.
pub const SPAN_QUEUE_MAX: usize = 8_192;
/// Spans that are sent to a collector together.
pub const SPAN_BATCH_MAX: usize = 512;
