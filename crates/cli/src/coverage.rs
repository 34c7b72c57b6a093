//! `tidings coverage`: a bar and a count for each category, as the audit had them.

use tidings_server::coverage;

const BAR: usize = 40;

/// Prints it for people, or as JSON.
pub(crate) fn print(json: bool) {
    let coverage = coverage();
    if json {
        println!("{}", serde_json::to_string_pretty(&coverage).unwrap_or_default());
        return;
    }
    for category in &coverage.categories {
        println!(
            "{:<15} {} {:>3}% ({}/{})",
            format!("{}:", category.category),
            bar(category.implemented, category.defined),
            100 * category.implemented / category.defined.max(1),
            category.implemented,
            category.defined
        );
        for missing in category.types.iter().filter(|one| !one.implemented) {
            println!("{:16}missing: {} has no scenario yet", "", missing.event_type);
        }
    }
    let percent = 100 * coverage.implemented / coverage.defined.max(1);
    println!("\noverall: {percent}% ({} of {})", coverage.implemented, coverage.defined);
    let beyond = coverage.beyond.iter().filter(|one| one.implemented).count();
    println!("beyond the roll: {beyond} of {} delivered types", coverage.beyond.len());
}

fn bar(part: usize, whole: usize) -> String {
    let full = BAR * part / whole.max(1);
    "█".repeat(full) + &"░".repeat(BAR - full)
}
