//! The one guarded dialler to the outside world.
