//! Wake-ups between tasks: hints that something is due, never the work.
