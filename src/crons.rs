//! Cron expressions as Cloudflare reads them: five fields, UTC, and days of the week from 1 for
//! Sunday to 7. <https://developers.cloudflare.com/workers/configuration/cron-triggers/>

use chrono::DateTime;
use croner::Cron;
use croner::parser::CronParser;
use croner::parser::Seconds;
use croner::parser::Year;

/// Reads an expression.
///
/// # Errors
/// What is wrong with it.
pub fn parse(expression: &str) -> Result<Cron, String> {
    CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .alternative_weekdays(true)
        .build()
        .parse(expression)
        .map_err(|error| error.to_string().trim_end_matches('.').to_lowercase())
}

/// The first time after `after_ms` at which it is due, in milliseconds since 1970; None for an
/// expression that never is (the 30th of February).
pub fn next_after(cron: &Cron, after_ms: i64) -> Option<i64> {
    let after = DateTime::from_timestamp_millis(after_ms)?;
    let next = cron.find_next_occurrence(&after, false).ok()?;
    Some(next.timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(expression: &str, after: &str, expect: &str) {
        let after = DateTime::parse_from_rfc3339(after).unwrap();
        let next = next_after(&parse(expression).unwrap(), after.timestamp_millis()).unwrap();
        let next = DateTime::from_timestamp_millis(next).unwrap();
        assert_eq!(next.format("%FT%TZ").to_string(), expect);
    }

    #[test]
    fn an_expression_is_due_as_on_the_platform() {
        check(
            "*/5 * * * *",
            "2026-11-24T10:02:00Z",
            "2026-11-24T10:05:00Z",
        );
        check("0 0 1 * *", "2026-11-24T10:02:00Z", "2026-12-01T00:00:00Z");
        // A Tuesday; 1 is Sunday, 2 is Monday.
        check("0 17 * * 1", "2026-11-24T10:02:00Z", "2026-11-29T17:00:00Z");
        check(
            "0 17 * * sun",
            "2026-11-24T10:02:00Z",
            "2026-11-29T17:00:00Z",
        );
        check(
            "0 18 * * 6L",
            "2026-11-24T10:02:00Z",
            "2026-11-27T18:00:00Z",
        );
    }

    #[test]
    fn what_is_due_now_is_next_due_later() {
        check("* * * * *", "2026-11-24T10:02:00Z", "2026-11-24T10:03:00Z");
    }

    #[test]
    fn six_fields_are_refused() {
        assert!(parse("0 0 0 * * *").is_err());
        assert!(parse("nonsense").is_err());
    }
}
