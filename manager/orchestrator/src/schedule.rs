//! When a job runs: the five fields of cron(5), in UTC.

#[cfg(test)]
mod tests;

const MINUTE_MS: i64 = 60_000;
const DAY_MINUTES: i64 = 24 * 60;
/// No time is looked for beyond: the longest gap that a calendar has, 29 February on one day of the week, is 40 years.
const FARTHEST_DAYS: i64 = 50 * 366;

const MONTHS: &[&str] = &[
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const DAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// When a job runs. Made of `minute hour day-of-month month day-of-week`, or of `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.
///
/// Where both days are restricted, a day that fits one of them is enough, as in cron(5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    minutes: Set,
    hours: Set,
    days_of_month: Set,
    months: Set,
    days_of_week: Set,
    /// Whether one of the two days is enough.
    either_day: bool,
}

/// Numbers from 0 to 63.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Set(u64);

impl Set {
    fn has(self, number: i64) -> bool {
        self.0 >> number & 1 == 1
    }
}

impl Schedule {
    /// Reads one. The error says what is wrong with which field.
    pub fn parse(text: &str) -> Result<Schedule, String> {
        let schedule = Schedule::read(text)?;
        match schedule.next_after(0) {
            Some(_) => Ok(schedule),
            None => Err("there is no such day in any year".to_owned()),
        }
    }

    fn read(text: &str) -> Result<Schedule, String> {
        let text = match text.trim() {
            "@hourly" => "0 * * * *",
            "@daily" | "@midnight" => "0 0 * * *",
            "@weekly" => "0 0 * * 0",
            "@monthly" => "0 0 1 * *",
            "@yearly" | "@annually" => "0 0 1 1 *",
            word if word.starts_with('@') => {
                return Err(
                    "there are @hourly, @daily, @weekly, @monthly and @yearly, no others".into(),
                );
            }
            text => text,
        };
        let fields: Vec<&str> = text.split_whitespace().collect();
        let &[minute, hour, day_of_month, month, day_of_week] = fields.as_slice() else {
            return Err(format!(
                "{} fields where there must be five: minute hour day-of-month month day-of-week",
                fields.len()
            ));
        };
        Ok(Schedule {
            minutes: field("minute", minute, 0, 59, &[])?,
            hours: field("hour", hour, 0, 23, &[])?,
            days_of_month: field("day of month", day_of_month, 1, 31, &[])?,
            months: field("month", month, 1, 12, MONTHS)?,
            days_of_week: sunday_is_0(field("day of week", day_of_week, 0, 7, DAYS)?),
            either_day: !day_of_month.contains('*') && !day_of_week.contains('*'),
        })
    }

    /// The first time after that one, in milliseconds since 1970 (UTC); none when there is none in the next 50 years.
    pub fn next_after(&self, ms: i64) -> Option<i64> {
        let from = ms.div_euclid(MINUTE_MS) + 1;
        let (first_day, mut minute) = (from.div_euclid(DAY_MINUTES), from.rem_euclid(DAY_MINUTES));
        let mut day = first_day;
        while day <= first_day + FARTHEST_DAYS {
            let date = Date::of(day);
            if !self.months.has(date.month) {
                day += date.days_left_in_month() + 1;
                minute = 0;
                continue;
            }
            if self.has_day(date, day)
                && let Some(minute) = (minute..DAY_MINUTES).find(|minute| self.has_minute(*minute))
            {
                return (day.checked_mul(DAY_MINUTES)?.checked_add(minute)?).checked_mul(MINUTE_MS);
            }
            day += 1;
            minute = 0;
        }
        None
    }

    fn has_day(&self, date: Date, day: i64) -> bool {
        // 1 January 1970 was a Thursday.
        let weekday = self.days_of_week.has((day + 4).rem_euclid(7));
        let monthday = self.days_of_month.has(date.day);
        match self.either_day {
            true => weekday || monthday,
            false => weekday && monthday,
        }
    }

    fn has_minute(&self, minute_of_day: i64) -> bool {
        self.hours.has(minute_of_day / 60) && self.minutes.has(minute_of_day % 60)
    }
}

/// `*`, `5`, `1-5`, `*/15`, `8-18/2`, `mon`, and several of these with commas between them.
fn field(name: &str, text: &str, least: u32, most: u32, words: &[&str]) -> Result<Set, String> {
    let mut set = 0;
    for part in text.split(',') {
        let wrong = |why: &str| Err(format!("{name} `{part}`: {why}"));
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => match step.parse::<u32>() {
                Ok(step) if step > 0 => (range, Some(step)),
                _ => return wrong("a step is a number from 1"),
            },
            None => (part, None),
        };
        let number = |word: &str| number(word, least, words);
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (least, most),
            Some((from, to)) => match (number(from), number(to)) {
                // A week may end with its Sunday.
                (Some(from), Some(0)) if most == 7 && from > 0 => (from, 7),
                (Some(from), Some(to)) => (from, to),
                _ => return wrong("not a range of what is allowed here"),
            },
            None => match number(range) {
                Some(_) if step.is_some() => {
                    return wrong("a step belongs to `*` or to a range, as in `5-59/15`");
                }
                Some(one) => (one, one),
                None => return wrong("neither a number, a range, a step nor a name"),
            },
        };
        if from < least || to > most {
            return wrong(&format!("it goes from {least} to {most}"));
        }
        if from > to {
            return wrong("it ends before it begins");
        }
        for member in (from..=to).step_by(step.unwrap_or(1) as usize) {
            set |= 1 << member;
        }
    }
    Ok(Set(set))
}

fn number(word: &str, least: u32, words: &[&str]) -> Option<u32> {
    let known = words
        .iter()
        .position(|known| known.eq_ignore_ascii_case(word));
    match known {
        Some(at) => u32::try_from(at).ok().map(|at| at + least),
        None if word.bytes().all(|byte| byte.is_ascii_digit()) => word.parse().ok(),
        None => None,
    }
}

/// Sunday is both 0 and 7.
fn sunday_is_0(days: Set) -> Set {
    Set(days.0 & 0x7f | days.0 >> 7 & 1)
}

/// A day of the Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Date {
    year: i64,
    month: i64,
    day: i64,
}

impl Date {
    /// Of the day that so many days lie before, counted from 1 January 1970.
    ///
    /// Years are counted from March, in eras of 400: a leap day is then the last day of its year, and every era is alike.
    fn of(day: i64) -> Date {
        const ERA_DAYS: i64 = 146_097;
        let from_march_of_0 = day + 719_468;
        let era = from_march_of_0.div_euclid(ERA_DAYS);
        let in_era = from_march_of_0.rem_euclid(ERA_DAYS);
        let year = (in_era - in_era / 1_460 + in_era / 36_524 - in_era / 146_096) / 365;
        let in_year = in_era - (365 * year + year / 4 - year / 100);
        let from_march = (5 * in_year + 2) / 153;
        let month = if from_march < 10 {
            from_march + 3
        } else {
            from_march - 9
        };
        Date {
            year: year + era * 400 + i64::from(month <= 2),
            month,
            day: in_year - (153 * from_march + 2) / 5 + 1,
        }
    }

    fn days_left_in_month(self) -> i64 {
        let leap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        let days = match self.month {
            2 => 28 + i64::from(leap),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        days - self.day
    }
}
