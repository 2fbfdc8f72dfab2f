//! Milliseconds since 1970 as ISO 8601 text. The time itself comes from the process's clock.

/// The moment `unix_ms` as `2026-11-23T15:42:00.123Z`.
pub fn iso8601(unix_ms: u64) -> String {
    let (days, ms_of_day) = (unix_ms / 86_400_000, unix_ms % 86_400_000);
    let (year, month, day) = civil_date(days);
    let (seconds, ms) = (ms_of_day / 1000, ms_of_day % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// The Gregorian date that is `days` after 1970-01-01. The year is counted from March, so that the leap day is its last
/// day (Howard Hinnant, <https://howardhinnant.github.io/date_algorithms.html#civil_from_days>).
fn civil_date(days: u64) -> (u64, u64, u64) {
    let since_0000_03_01 = days + 719_468;
    let era = since_0000_03_01 / 146_097;
    let day_of_era = since_0000_03_01 % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let (month, next_year) = if month_from_march < 10 {
        (month_from_march + 3, 0)
    } else {
        (month_from_march - 9, 1)
    };
    (era * 400 + year_of_era + next_year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(unix_ms: u64, expect: &str) {
        assert_eq!(iso8601(unix_ms), expect);
    }

    #[test]
    fn moments_are_written_as_in_javascript() {
        check(0, "1970-01-01T00:00:00.000Z");
        check(951_782_400_000, "2000-02-29T00:00:00.000Z");
        check(951_868_799_999, "2000-02-29T23:59:59.999Z");
        check(1_735_689_599_001, "2024-12-31T23:59:59.001Z");
        check(1_795_448_520_123, "2026-11-23T15:42:00.123Z");
        check(4_107_542_400_000, "2100-03-01T00:00:00.000Z");
    }
}
