//! Whether some path comes back to where it was: `eventually` would not see what happens on it.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use stateright::Model;

use super::Setup;
use super::action::Action;
use super::world::World;

/// A state on a path: its key, the steps from it that were not taken yet, and the one that led to it.
type Place = (u64, Vec<(Action, World)>, Option<Action>);

/// The steps of a path that ends where it has been before, if there is one.
pub(super) fn find_circle(setup: &Setup) -> Option<Vec<Action>> {
    let hasher = RandomState::new();
    // Whether a state that was seen is on the path that is being walked.
    let mut seen: HashMap<u64, bool> = HashMap::new();
    let mut path: Vec<Place> = Vec::new();
    for first in setup.init_states() {
        let key = hasher.hash_one(&first);
        seen.insert(key, true);
        path.push((key, setup.next_steps(&first), None));
        while let Some((key, steps, _)) = path.last_mut() {
            let Some((action, world)) = steps.pop() else {
                seen.insert(*key, false);
                path.pop();
                continue;
            };
            let key = hasher.hash_one(&world);
            match seen.get(&key) {
                Some(true) => {
                    let steps = path.iter().filter_map(|(_, _, taken)| *taken);
                    return Some(steps.chain([action]).collect());
                }
                Some(false) => {}
                None => {
                    seen.insert(key, true);
                    path.push((key, setup.next_steps(&world), Some(action)));
                }
            }
        }
    }
    None
}
