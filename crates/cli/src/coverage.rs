//! `tidings coverage`: a bar and a count for each category, as the audit had them.

use tidings_server::{bar, coverage, percent};

use crate::Failure;
use crate::say::say;

/// Prints it for people, or as JSON.
pub(crate) fn print(json: bool) -> Result<(), Failure> {
    let coverage = coverage();
    if json {
        return say!("{}", serde_json::to_string_pretty(&coverage).unwrap_or_default());
    }
    for category in &coverage.categories {
        say!(
            "{:<15} {} {:>3}% ({}/{})",
            format!("{}:", category.category),
            bar(category.implemented, category.defined),
            percent(category.implemented, category.defined),
            category.implemented,
            category.defined
        )?;
        for missing in category.types.iter().filter(|one| !one.implemented) {
            say!("{:16}missing: {} has no scenario yet", "", missing.event_type)?;
        }
    }
    let percent = percent(coverage.implemented, coverage.defined);
    say!("\noverall: {percent}% ({} of {})", coverage.implemented, coverage.defined)?;
    let beyond = coverage.beyond.iter().filter(|one| one.implemented).count();
    say!("beyond the roll: {beyond} of {} delivered types", coverage.beyond.len())
}
