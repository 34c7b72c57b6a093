//! `docs/events/`: a page for each type, and an index by category.

use std::fmt::Write;

use tidings_events::{EventType, Payload, PayloadVisitor, Visibility, data_schema};

use crate::fields;
use crate::files::{Files, NOTICE};
use crate::schemas;

pub(crate) fn add(files: &mut Files) {
    let mut pages = Pages { files, rows: Vec::new() };
    EventType::for_each(&mut pages);
    let index = index(&pages.rows);
    files.add("docs/events/README.md", index);
}

struct Pages<'f> {
    files: &'f mut Files,
    /// Each type with its description.
    rows: Vec<(EventType, String)>,
}

impl PayloadVisitor for Pages<'_> {
    fn visit<P: Payload>(&mut self) {
        let schema = data_schema::<P>();
        let description = schema["description"].as_str().unwrap_or_default().to_owned();
        // Straight from the struct, so that the fields keep the order of their declaration.
        let example = serde_json::to_string_pretty(&P::example()).unwrap_or_default();
        let name = P::TYPE.name();
        let schema_path = format!("../../{}", schemas::path(name, P::TYPE.version()));
        let mut page = format!(
            "{NOTICE}\n\n# `{name}`\n\n{description}\n\n\
             | | |\n|---|---|\n\
             | Category | {} |\n| Priority | {} |\n| Visibility | {} |\n\
             | Version | {} ([schema]({schema_path})) |\n\n\
             ## `data`\n\n",
            P::TYPE.category().name(),
            P::TYPE.priority().name(),
            visibility(P::TYPE.visibility()),
            P::TYPE.version(),
        );
        page.push_str(&fields::table(&schema, &example));
        let _ = write!(page, "\n## Example\n\n```json\n{example}\n```\n");
        self.files.add(format!("docs/events/{name}.md"), page);
        self.rows.push((P::TYPE, description));
    }
}

fn visibility(visibility: Visibility) -> &'static str {
    match visibility {
        Visibility::Public => "public: delivered to every endpoint that subscribed",
        Visibility::Internal => "internal: in the log and the audit trail, never delivered",
    }
}

fn index(rows: &[(EventType, String)]) -> String {
    let mut page = format!(
        "{NOTICE}\n\n# Event types\n\n\
         {} types, {} of them delivered. Each is wrapped in the same \
         [envelope](../../schemas/events/envelope.json).\n",
        rows.len(),
        EventType::public().count(),
    );
    for part in rows.chunk_by(|(a, _), (b, _)| a.category() == b.category()) {
        let Some((first, _)) = part.first() else { continue };
        let _ = write!(
            page,
            "\n## {}\n\n| Type | Version | Priority | Delivered | What it tells |\n\
             |---|---|---|---|---|\n",
            first.category().name(),
        );
        for (event_type, description) in part {
            let name = event_type.name();
            let delivered = match event_type.visibility() {
                Visibility::Public => "yes",
                Visibility::Internal => "no",
            };
            let _ = writeln!(
                page,
                "| [`{name}`]({name}.md) | {} | {} | {delivered} | {} |",
                event_type.version(),
                event_type.priority().name(),
                fields::in_a_cell(description),
            );
        }
    }
    page
}
