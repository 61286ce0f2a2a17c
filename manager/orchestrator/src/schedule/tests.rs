use super::{Date, Schedule};

/// Milliseconds of `YYYY-MM-DD HH:MM[:SS]`, found by counting days: the inverse of what is tested.
fn at(text: &str) -> i64 {
    let (date, time) = text.split_once(' ').expect("a date and a time");
    let numbers = |text: &str, by: char| -> Vec<i64> {
        text.split(by)
            .map(|number| number.parse().expect("a number"))
            .collect()
    };
    let (date, time) = (numbers(date, '-'), numbers(time, ':'));
    let mut days = 0;
    for year in 1970..date[0] {
        days += if is_leap(year) { 366 } else { 365 };
    }
    for month in 1..date[1] {
        days += match month {
            2 => 28 + i64::from(is_leap(date[0])),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
    }
    days += date[2] - 1;
    let seconds = time.get(2).copied().unwrap_or(0);
    ((days * 24 + time[0]) * 60 + time[1]) * 60_000 + seconds * 1000
}

fn is_leap(year: i64) -> bool {
    year % 400 == 0 || (year % 4 == 0 && year % 100 != 0)
}

#[test]
fn next_time_is_found() {
    for (schedule, after, next) in [
        ("* * * * *", "2026-03-01 00:00", "2026-03-01 00:01"),
        ("* * * * *", "2026-03-01 00:00:59", "2026-03-01 00:01"),
        ("* * * * *", "2026-12-31 23:59", "2027-01-01 00:00"),
        ("*/15 * * * *", "2026-03-01 10:15", "2026-03-01 10:30"),
        ("*/15 * * * *", "2026-03-01 10:46", "2026-03-01 11:00"),
        ("7-59/20 * * * *", "2026-03-01 10:07", "2026-03-01 10:27"),
        ("30 4 * * *", "2026-03-01 04:30", "2026-03-02 04:30"),
        ("0 8-18/5 * * *", "2026-03-01 08:00", "2026-03-01 13:00"),
        ("0 8-18/5 * * *", "2026-03-01 18:00", "2026-03-02 08:00"),
        ("5,35 1,13 * * *", "2026-03-01 01:35", "2026-03-01 13:05"),
        // 1 March 2026 is a Sunday.
        ("0 0 * * 1", "2026-03-01 12:00", "2026-03-02 00:00"),
        ("0 0 * * 0", "2026-03-01 12:00", "2026-03-08 00:00"),
        ("0 0 * * 7", "2026-03-01 12:00", "2026-03-08 00:00"),
        ("0 0 * * SUN", "2026-03-01 12:00", "2026-03-08 00:00"),
        ("0 0 * * mon-fri", "2026-03-06 12:00", "2026-03-09 00:00"),
        ("0 0 * * sat-sun", "2026-03-07 12:00", "2026-03-08 00:00"),
        ("0 0 * * 5-7", "2026-03-07 12:00", "2026-03-08 00:00"),
        // Both days restricted: either is enough.
        ("0 0 13 * fri", "2026-03-01 00:00", "2026-03-06 00:00"),
        ("0 0 10 * fri", "2026-03-06 00:00", "2026-03-10 00:00"),
        // One of them with a star: both must fit.
        ("0 0 */10 * fri", "2026-03-01 00:00", "2026-05-01 00:00"),
        ("0 0 13 * */5", "2026-01-01 00:00", "2026-02-13 00:00"),
        ("0 0 1 jan,Jul *", "2026-03-01 00:00", "2026-07-01 00:00"),
        ("0 0 31 * *", "2026-04-01 00:00", "2026-05-31 00:00"),
        ("0 0 30 * *", "2026-01-30 00:00", "2026-03-30 00:00"),
        ("0 0 29 2 *", "2026-01-01 00:00", "2028-02-29 00:00"),
        // 2100 is no leap year, 2000 was one.
        ("0 0 29 2 *", "2096-02-29 00:00", "2104-02-29 00:00"),
        ("0 0 29 2 *", "1999-01-01 00:00", "2000-02-29 00:00"),
        ("59 23 31 12 *", "2026-12-31 23:58", "2026-12-31 23:59"),
        // 29 February on a Sunday: 40 years where a century lies between.
        ("0 0 29 2 */7", "2088-03-01 00:00", "2128-02-29 00:00"),
        ("@hourly", "2026-03-01 10:15", "2026-03-01 11:00"),
        ("@daily", "2026-03-01 10:15", "2026-03-02 00:00"),
        ("@weekly", "2026-03-01 10:15", "2026-03-08 00:00"),
        ("@monthly", "2026-03-01 10:15", "2026-04-01 00:00"),
        ("@yearly", "2026-03-01 10:15", "2027-01-01 00:00"),
    ] {
        let parsed = Schedule::parse(schedule).expect(schedule);
        assert_eq!(
            parsed.next_after(at(after)),
            Some(at(next)),
            "{schedule} after {after}"
        );
    }
}

#[test]
fn nonsense_is_refused() {
    for (schedule, why) in [
        ("", "0 fields"),
        ("* * * *", "4 fields"),
        ("* * * * * *", "6 fields"),
        ("60 * * * *", "minute `60`: it goes from 0 to 59"),
        ("* 24 * * *", "hour `24`: it goes from 0 to 23"),
        ("* * 0 * *", "day of month `0`: it goes from 1 to 31"),
        ("* * * 13 *", "month `13`: it goes from 1 to 12"),
        ("* * * * 8", "day of week `8`: it goes from 0 to 7"),
        ("*/0 * * * *", "minute `*/0`: a step is a number from 1"),
        ("5/15 * * * *", "a step belongs to"),
        ("10-5 * * * *", "it ends before it begins"),
        ("1,,2 * * * *", "neither a number"),
        ("+1 * * * *", "neither a number"),
        ("-1 * * * *", "not a range"),
        ("mon * * * *", "neither a number"),
        ("* * * * noday", "neither a number"),
        ("99999999999 * * * *", "neither a number"),
        ("0 0 31 2 *", "there is no such day"),
        ("0 0 30 feb *", "there is no such day"),
        ("@reboot", "@hourly"),
    ] {
        let error = Schedule::parse(schedule).expect_err(schedule);
        assert!(error.contains(why), "{schedule}: {error}");
    }
}

#[test]
fn every_day_of_eight_centuries_has_its_date() {
    let mut day = 0;
    for year in 1970..2770 {
        for month in 1..=12 {
            let days = match month {
                2 => 28 + i64::from(is_leap(year)),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            for of_month in 1..=days {
                let date = Date {
                    year,
                    month,
                    day: of_month,
                };
                assert_eq!(Date::of(day), date);
                assert_eq!(date.days_left_in_month(), days - of_month);
                day += 1;
            }
        }
    }
}

#[test]
fn times_at_the_ends_of_the_range_do_no_harm() {
    let schedule = Schedule::parse("@hourly").expect("a schedule");
    assert_eq!(schedule.next_after(i64::MAX), None);
    assert!(schedule.next_after(i64::MIN / 2).is_some());
    assert_eq!(schedule.next_after(-1), Some(0));
}
