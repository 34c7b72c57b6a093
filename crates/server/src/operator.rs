//! `/api/v1/operator`: what the operator asks of a running server.

use std::time::Duration;

use tidings_kernel::Problem;
use tidings_web::{Access, Answer, Call, Op, Query, Routes};

use crate::diagnosis::{Diagnosis, DiagnosisParams, Looker, OLDER_THAN};

/// The longest that deliveries may be let wait before they count as stuck.
const OLDER_THAN_MAX: Duration = Duration::from_hours(7 * 24);

pub(crate) fn routes(looker: &Looker) -> Routes<Looker> {
    Routes::new("operator", looker.clone()).read(
        Op::get("/api/v1/operator/diagnosis", "getDiagnosis", Access::Operator)
            .summary("How the installation is, what is stuck in it and why"),
        diagnose,
    )
}

async fn diagnose(
    looker: Looker,
    _: Call,
    Query(params): Query<DiagnosisParams>,
) -> Result<Answer<Diagnosis>, Problem> {
    let older_than = match params.older_than_seconds {
        None => OLDER_THAN,
        Some(seconds) if seconds <= OLDER_THAN_MAX.as_secs() => Duration::from_secs(seconds),
        Some(_) => {
            return Err(Problem::invalid_field(
                "?older_than_seconds",
                "out_of_range",
                "0 to 604800, which is a week",
            ));
        }
    };
    Ok(Answer::new(looker.diagnose(older_than).await?))
}
