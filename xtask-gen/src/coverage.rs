//! `docs/webhook-event-coverage.md`: the page of the audit, kept by the program.

use std::fmt::Write;
use std::path::Path;

use tidings_db::Silent;
use tidings_events::EventType;
use tidings_server::{Coverage, CoverageType, bar, coverage, percent};

use crate::audit::{ISSUES, Item, PHASES, Settled};
use crate::failure::Failure;
use crate::fields::in_a_cell;
use crate::files::{Files, NOTICE};

pub(crate) fn add(files: &mut Files, root: &Path) -> Result<(), Failure> {
    let coverage = coverage();
    let mut page = format!("{NOTICE}\n\n# Webhook event coverage\n\n");
    overview(&mut page, &coverage);
    roll(&mut page, &coverage);
    beyond(&mut page, &coverage);
    silent(&mut page);
    page.push_str(
        "\n## What the audit asked for\n\n\
         An item is settled when its event types are in the catalog and a file does what it asks; \
         whether the types fire is above.\n",
    );
    for phase in PHASES {
        items(&mut page, root, phase.name, "Item", phase.items)?;
    }
    items(&mut page, root, "Known issues", "Issue", ISSUES)?;
    files.add("docs/webhook-event-coverage.md", page);
    Ok(())
}

fn overview(page: &mut String, coverage: &Coverage) {
    let Coverage { defined, implemented, categories, beyond: _ } = coverage;
    let _ = write!(
        page,
        "**Overall Coverage:** {}% ({implemented} of {defined} events)\n\n\
         An event counts when the last passing scenario run saw it fire; the run writes \
         `crates/server/coverage-run.json`, and nothing else makes a bar grow. `tidings coverage` \
         prints the same.\n\n\
         ## Quick Status Overview\n\n```\n",
        percent(*implemented, *defined),
    );
    let longest =
        categories.iter().map(|category| category.category.chars().count()).max().unwrap_or(0);
    for category in categories {
        let _ = writeln!(
            page,
            "{:<width$} {} {}% ({}/{})",
            format!("{}:", category.category),
            bar(category.implemented, category.defined),
            percent(category.implemented, category.defined),
            category.implemented,
            category.defined,
            width = longest + 1,
        );
    }
    page.push_str("```\n");
}

fn roll(page: &mut String, coverage: &Coverage) {
    page.push_str("\n## Events of the roll\n");
    for category in &coverage.categories {
        let _ = write!(
            page,
            "\n### {} ({}/{})\n\n",
            category.category, category.implemented, category.defined
        );
        table(page, &category.types);
    }
}

fn beyond(page: &mut String, coverage: &Coverage) {
    page.push_str("\n## Delivered events beyond the roll\n\n");
    table(page, &coverage.beyond);
}

fn table(page: &mut String, types: &[CoverageType]) {
    page.push_str("| Event | Emitted by | Scenario | Status |\n|---|---|---|---|\n");
    for CoverageType { event_type, implemented, scenario, emitted_by } in types {
        let status = match (implemented, EventType::find(event_type)) {
            (true, _) => "✓ fires",
            (false, Some(_)) => "in the catalog; no scenario has proved it yet",
            (false, None) => "not yet in the catalog",
        };
        // Only what is in the catalog has a page.
        let event = match EventType::find(event_type) {
            Some(_) => format!("[`{event_type}`](events/{event_type}.md)"),
            None => format!("`{event_type}`"),
        };
        let code = |text: &Option<String>| {
            text.as_ref().map_or_else(String::new, |text| format!("`{}`", in_a_cell(text)))
        };
        let (emitted_by, scenario) = (code(emitted_by), code(scenario));
        let _ = writeln!(page, "| {event} | {emitted_by} | {scenario} | {status} |");
    }
}

fn silent(page: &mut String) {
    page.push_str(
        "\n## Writes without an event\n\n\
         Every other write comes with its event, because only a `Change` or one of these reasons \
         gives access to a writer.\n\n\
         | Reason | Why it is no event |\n|---|---|\n",
    );
    for (reason, why) in Silent::ALL {
        let _ = writeln!(page, "| `{reason:?}` | {} |", in_a_cell(why));
    }
}

fn items(
    page: &mut String,
    root: &Path,
    title: &str,
    what: &str,
    items: &[Item],
) -> Result<(), Failure> {
    let _ = write!(page, "\n### {title}\n\n| | {what} | Settled by |\n|---|---|---|\n");
    for item in items {
        let (mark, by) = match item.settled(root)? {
            Settled::By(places) => {
                let places: Vec<String> = places
                    .iter()
                    .map(|(file, how)| format!("[`{file}`](../{file}): {how}"))
                    .collect();
                ("✓", places.join("; "))
            }
            Settled::NotYet(absent) => {
                let absent: Vec<String> = absent.iter().map(|name| format!("`{name}`")).collect();
                ("", format!("not yet; not in the catalog: {}", absent.join(", ")))
            }
        };
        let _ = writeln!(page, "| {mark} | {} | {by} |", in_a_cell(item.says));
    }
    Ok(())
}
