//! Medians, as a table and as JSON.

use std::fmt::Write as _;

use serde_json::json;

use crate::run::{Figures, Setting};
use crate::scenario::Scenario;

struct Run {
    scenario: Scenario,
    /// Events a second over two exchanges with nothing between them.
    bound: f64,
    figures: Figures,
}

/// What all runs showed.
pub(crate) struct Report {
    engine: String,
    runs: Vec<Run>,
}

impl Report {
    pub(crate) fn new(setting: &Setting) -> Self {
        let engine = if setting.database.is_some() { "PostgreSQL" } else { "SQLite" };
        let engine = match setting.nodes {
            1 => engine.to_owned(),
            nodes => format!("{engine}, {nodes} nodes"),
        };
        Self { engine, runs: Vec::new() }
    }

    /// Adds a run; gives its line.
    pub(crate) fn add(&mut self, scenario: Scenario, bound: f64, figures: Figures) -> String {
        let line = row(&self.engine, scenario, 1, bound, &figures);
        self.runs.push(Run { scenario, bound, figures });
        line
    }

    /// The medians as a Markdown table.
    pub(crate) fn table(&self) -> String {
        let mut table = String::from(
            "| engine | scenario | runs | published/s | delivered/s | of the bound | publish p50/p99 ms \
             | deliver p50/p99 ms | CPU µs/event (database) | peak MiB | ready/first ms | refused | lost | repeated |\n\
             |---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
        );
        for scenario in Scenario::ALL {
            let runs: Vec<&Run> = self.runs.iter().filter(|run| run.scenario == scenario).collect();
            if runs.is_empty() {
                continue;
            }
            let of = |value: fn(&Figures) -> f64| median(runs.iter().map(|r| value(&r.figures)));
            let mut middle = Figures {
                published_per_second: of(|f| f.published_per_second),
                delivered_per_second: of(|f| f.delivered_per_second),
                cpu_us_per_event: of(|f| f.cpu_us_per_event),
                database_us_per_event: of(|f| f.database_us_per_event),
                peak_mib: of(|f| f.peak_mib),
                ready_ms: of(|f| f.ready_ms),
                first_arrival_ms: of(|f| f.first_arrival_ms),
                // Losses are not averaged away.
                refused: runs.iter().map(|run| run.figures.refused).sum(),
                lost: runs.iter().map(|run| run.figures.lost).sum(),
                repeated: runs.iter().map(|run| run.figures.repeated).sum(),
                ..Figures::default()
            };
            middle.publish.p50 = of(|f| f.publish.p50);
            middle.publish.p99 = of(|f| f.publish.p99);
            middle.deliver.p50 = of(|f| f.deliver.p50);
            middle.deliver.p99 = of(|f| f.deliver.p99);
            let bound = median(runs.iter().map(|run| run.bound));
            let _ = writeln!(table, "{}", row(&self.engine, scenario, runs.len(), bound, &middle));
        }
        table
    }

    /// Every figure of every run.
    pub(crate) fn json(&self) -> String {
        let runs: Vec<serde_json::Value> = self
            .runs
            .iter()
            .map(|run| {
                json!({"engine": self.engine, "scenario": run.scenario.name(),
                    "bound_per_second": run.bound, "figures": run.figures})
            })
            .collect();
        format!("{:#}\n", json!(runs))
    }
}

fn row(engine: &str, scenario: Scenario, runs: usize, bound: f64, f: &Figures) -> String {
    format!(
        "| {engine} | {} | {runs} | {:.0} | {:.0} | {:.0} % | {:.1}/{:.1} | {:.1}/{:.1} | {:.0} ({:.0}) | {:.0} | {:.0}/{:.0} | {} | {} | {} |",
        scenario.name(),
        f.published_per_second,
        f.delivered_per_second,
        100.0 * f.delivered_per_second / bound,
        f.publish.p50,
        f.publish.p99,
        f.deliver.p50,
        f.deliver.p99,
        f.cpu_us_per_event,
        f.database_us_per_event,
        f.peak_mib,
        f.ready_ms,
        f.first_arrival_ms,
        f.refused,
        f.lost,
        f.repeated,
    )
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
