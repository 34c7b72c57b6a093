//! Two engines behind one facade; the unit of work; the event log.
