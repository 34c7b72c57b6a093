//! Numbers of JSON, compared by their value.

use std::cmp::Ordering;

use serde_json::Number;

/// Compares two numbers exactly: a whole number never goes through a float, which could not tell
/// 9007199254740993 from its neighbour.
pub(super) fn compare(a: &Number, b: &Number) -> Ordering {
    match (whole(a), whole(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        (Some(a), None) => whole_and_float(a, float(b)),
        (None, Some(b)) => whole_and_float(b, float(a)).reverse(),
        // JSON has neither infinities nor NaN.
        (None, None) => float(a).partial_cmp(&float(b)).unwrap_or(Ordering::Equal),
    }
}

fn whole(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

fn float(number: &Number) -> f64 {
    number.as_f64().unwrap_or_default()
}

fn whole_and_float(whole: i128, float: f64) -> Ordering {
    let floor = float.floor();
    // Printed without decimals a float is exact, and as a text it is cast by nobody.
    match format!("{floor:.0}").parse::<i128>() {
        Ok(below) if float > floor => whole.cmp(&below).then(Ordering::Less),
        Ok(below) => whole.cmp(&below),
        Err(_) if float > 0.0 => Ordering::Less,
        Err(_) => Ordering::Greater,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_by_value_and_without_loss() {
        for (a, b, wanted) in [
            ("1", "1.0", Ordering::Equal),
            ("-0.0", "0", Ordering::Equal),
            ("1", "1.5", Ordering::Less),
            ("2", "1.5", Ordering::Greater),
            ("-1", "-1.5", Ordering::Greater),
            ("-2", "-1.5", Ordering::Less),
            ("9007199254740993", "9007199254740992", Ordering::Greater),
            ("9007199254740993", "9007199254740992.0", Ordering::Greater),
            ("18446744073709551615", "-9223372036854775808", Ordering::Greater),
            ("18446744073709551615", "1e300", Ordering::Less),
            ("-9223372036854775808", "-1e300", Ordering::Greater),
            ("1.10", "1.1", Ordering::Equal),
            ("1E+2", "100", Ordering::Equal),
        ] {
            let (x, y): (Number, Number) =
                (serde_json::from_str(a).unwrap(), serde_json::from_str(b).unwrap());
            assert_eq!(compare(&x, &y), wanted, "{a} and {b}");
            assert_eq!(compare(&y, &x), wanted.reverse(), "{b} and {a}");
        }
    }
}
