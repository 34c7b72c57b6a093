//! Numbers between bounds.

use serde_json::{Map, Number, Value};

use super::{CannotSample, Made, Place};

/// What is made where nothing is said.
const WHOLE: i128 = 1;
const BROKEN: f64 = 1.5;

/// A whole number.
pub(super) fn whole(fields: &Map<String, Value>, place: &Place) -> Made {
    let bound = |name: &str| fields.get(name).and_then(Value::as_f64);
    let least = [
        bound("minimum").map(|n| to_whole(n.ceil())),
        bound("exclusiveMinimum").map(|n| to_whole(n.floor()) + 1),
    ];
    let most = [
        bound("maximum").map(|n| to_whole(n.floor())),
        bound("exclusiveMaximum").map(|n| to_whole(n.ceil()) - 1),
    ];
    let least = least.into_iter().flatten().max();
    let most = most.into_iter().flatten().min();
    // A step that is broken is left to the validator.
    let step = bound("multipleOf").filter(|step| *step >= 1.0 && step.fract() == 0.0);
    let step = step.map_or(1, to_whole);
    let wanted = WHOLE.max(least.unwrap_or(WHOLE)).min(most.unwrap_or(i128::MAX));
    let up = wanted + (step - wanted.rem_euclid(step)) % step;
    let down = wanted - wanted.rem_euclid(step);
    let fits = |n: &i128| least.is_none_or(|least| *n >= least) && most.is_none_or(|m| *n <= m);
    let nth = i128::try_from(place.nth).unwrap_or_default() * step;
    // Where there are not enough that differ, the same must do.
    let found = [up + nth, down - nth, up, down].into_iter().find(fits);
    let found = found.ok_or_else(|| none_left(place))?;
    match (i64::try_from(found), u64::try_from(found)) {
        (Ok(n), _) => Ok(n.into()),
        (Err(_), Ok(n)) => Ok(n.into()),
        (Err(_), Err(_)) => Err(place.cannot("the number is larger than JSON numbers are")),
    }
}

fn none_left(place: &Place) -> CannotSample {
    place.cannot("no number lies between the bounds")
}

/// Far more than any number of JSON's, and no overflow when something is added.
#[expect(clippy::cast_possible_truncation, reason = "a float becomes the nearest, and is bounded")]
fn to_whole(n: f64) -> i128 {
    n.clamp(-1e30, 1e30) as i128
}

/// A number, which need not be whole.
pub(super) fn any(fields: &Map<String, Value>, place: &Place) -> Made {
    let bound = |name: &str| fields.get(name).and_then(Value::as_f64);
    if bound("multipleOf").is_some_and(|step| step.fract() == 0.0) {
        return whole(fields, place);
    }
    let fits = |n: &f64| {
        bound("minimum").is_none_or(|least| *n >= least)
            && bound("maximum").is_none_or(|most| *n <= most)
            && bound("exclusiveMinimum").is_none_or(|least| *n > least)
            && bound("exclusiveMaximum").is_none_or(|most| *n < most)
    };
    #[expect(clippy::cast_precision_loss, reason = "there are few items in an example")]
    let nth = place.nth as f64;
    let least = bound("minimum").or_else(|| bound("exclusiveMinimum"));
    let most = bound("maximum").or_else(|| bound("exclusiveMaximum"));
    let between = match (least, most) {
        (Some(least), Some(most)) => least + (most - least) * (nth + 1.0) / (nth + 2.0),
        (Some(least), None) => least + nth + 1.0,
        (None, Some(most)) => most - nth - 1.0,
        (None, None) => BROKEN + nth,
    };
    let step = bound("multipleOf");
    let stepped = |n: f64| step.map_or(n, |step| (n / step).ceil() * step);
    let mut tried = [BROKEN + nth, between, least.unwrap_or(between), most.unwrap_or(between)]
        .into_iter()
        .chain([
            bound("maximum").map_or(between, |most| step.map_or(most, |s| (most / s).floor() * s))
        ])
        .map(stepped);
    let found = tried.find(fits).and_then(Number::from_f64).ok_or_else(|| none_left(place))?;
    Ok(Value::Number(found))
}
