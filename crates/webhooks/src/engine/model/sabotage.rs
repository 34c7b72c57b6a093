//! Faults that the program might have. The model has them one at a time, and the checker must find
//! each: this is how it is known that the properties tell anything.

/// One way in which the engine could be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sabotage {
    /// Outcomes are written without asking whether the node was fenced.
    IgnoresItsFence,
    /// An outcome is written whoever the process was when it took the delivery up.
    IgnoresTheHolder,
    /// That nobody wants an event counts whoever the process was when it found out.
    UnwantedByAnybody,
    /// A delivery that has ended is overwritten.
    LeavesTheEnd,
    /// One more attempt than the schedule has.
    OneAttemptTooMany,
    /// A retry is due at once.
    RetriesAtOnce,
    /// What is in memory is sent although the subscription sends no more.
    SendsToTheStopped,
    /// A node sends although nobody has heard of it for too long.
    SendsWithoutLease,
    /// The pointer goes with the first pair that has its row.
    DropsThePointerEarly,
    /// The pointer goes when the event is handed over.
    DropsThePointerAtOnce,
    /// What was read is taken up though it is in hand.
    TakesWhatIsInHand,
    /// What was in the hands of the dead stays there.
    NeverAdopts,
    /// Nobody says that the dead are dead.
    NeverFences,
    /// What was parked is not looked for again.
    ForgetsTheParked,
    /// A pointer is planned again without looking which pairs have a row.
    PlansPairsTwice,
}

impl Sabotage {
    /// Each.
    pub(super) const ALL: &[Self] = &[
        Self::IgnoresItsFence,
        Self::IgnoresTheHolder,
        Self::UnwantedByAnybody,
        Self::LeavesTheEnd,
        Self::OneAttemptTooMany,
        Self::RetriesAtOnce,
        Self::SendsToTheStopped,
        Self::SendsWithoutLease,
        Self::DropsThePointerEarly,
        Self::DropsThePointerAtOnce,
        Self::TakesWhatIsInHand,
        Self::NeverAdopts,
        Self::NeverFences,
        Self::ForgetsTheParked,
        Self::PlansPairsTwice,
    ];
}
