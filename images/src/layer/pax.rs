//! PAX extended header records (POSIX.1-2017, pax, "Extended Header").
//!
//! Records are read by their length, never by looking for line ends: the value of an extended attribute is binary, and a reader that
//! splits at newlines can be made to see records that others do not.

use std::ffi::CString;

/// What the extended headers of one entry say. Absent keys are `None`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    /// Seconds and nanoseconds since the epoch; the nanoseconds always point forward.
    pub(super) mtime: Option<(i64, u32)>,
    pub(super) xattrs: Vec<(CString, Vec<u8>)>,
    /// The entry is a sparse file in one of GNU tar's PAX encodings.
    pub(super) sparse: bool,
}

impl Pax {
    /// Reads all records of one extended header. The error says what is malformed.
    pub(super) fn parse(mut bytes: &[u8]) -> Result<Pax, String> {
        let mut pax = Pax::default();
        while !bytes.is_empty() {
            let (key, value, rest) = record(bytes)?;
            pax.set(key, value)?;
            bytes = rest;
        }
        Ok(pax)
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        match key {
            b"path" => self.path = text(key, value)?,
            b"linkpath" => self.link = text(key, value)?,
            b"size" => self.size = number(key, value)?,
            b"uid" => self.uid = number(key, value)?,
            b"gid" => self.gid = number(key, value)?,
            b"mtime" => self.mtime = time(value)?,
            _ if key.starts_with(b"GNU.sparse.") => self.sparse = true,
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    let name = CString::new(name)
                        .map_err(|_| "an extended attribute's name holds a zero byte".to_owned())?;
                    self.xattrs.retain(|(known, _)| *known != name);
                    self.xattrs.push((name, value.to_vec()));
                }
            }
        }
        Ok(())
    }
}

/// A key, its value, and the bytes behind the record.
type Record<'a> = (&'a [u8], &'a [u8], &'a [u8]);

/// Splits the first `"LENGTH KEY=VALUE\n"` off.
fn record(bytes: &[u8]) -> Result<Record<'_>, String> {
    let malformed = || "a PAX record is malformed".to_owned();
    let space = bytes
        .iter()
        .take(20)
        .position(|byte| *byte == b' ')
        .ok_or_else(malformed)?;
    let length = decimal(&bytes[..space])
        .and_then(|length| usize::try_from(length).ok())
        .ok_or_else(malformed)?;
    if length <= space + 1 || length > bytes.len() || bytes[length - 1] != b'\n' {
        return Err(malformed());
    }
    let body = &bytes[space + 1..length - 1];
    let equals = body
        .iter()
        .position(|byte| *byte == b'=')
        .ok_or_else(malformed)?;
    if equals == 0 || body[..equals].contains(&0) {
        return Err(malformed());
    }
    Ok((&body[..equals], &body[equals + 1..], &bytes[length..]))
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// An empty value takes an earlier one back.
fn text(key: &[u8], value: &[u8]) -> Result<Option<Vec<u8>>, String> {
    if value.contains(&0) {
        return Err(format!(
            "the PAX value of {} holds a zero byte",
            String::from_utf8_lossy(key)
        ));
    }
    Ok((!value.is_empty()).then(|| value.to_vec()))
}

fn number(key: &[u8], value: &[u8]) -> Result<Option<u64>, String> {
    if value.is_empty() {
        return Ok(None);
    }
    decimal(value).map(Some).ok_or_else(|| {
        format!(
            "the PAX value of {} is not a number",
            String::from_utf8_lossy(key)
        )
    })
}

/// `[-]SECONDS[.FRACTION]`; digits beyond nanoseconds are cut.
fn time(value: &[u8]) -> Result<Option<(i64, u32)>, String> {
    if value.is_empty() {
        return Ok(None);
    }
    let wrong = || "the PAX value of mtime is not a time".to_owned();
    let (negative, digits) = match value.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, value),
    };
    let mut parts = digits.splitn(2, |byte| *byte == b'.');
    let seconds = parts
        .next()
        .and_then(decimal)
        .and_then(|seconds| i64::try_from(seconds).ok())
        .ok_or_else(wrong)?;
    let mut nanoseconds = 0u32;
    if let Some(fraction) = parts.next() {
        if !fraction.iter().all(u8::is_ascii_digit) {
            return Err(wrong());
        }
        for place in 0..9 {
            nanoseconds = nanoseconds * 10
                + fraction
                    .get(place)
                    .map_or(0, |digit| u32::from(digit - b'0'));
        }
    }
    Ok(Some(match (negative, nanoseconds) {
        (false, _) => (seconds, nanoseconds),
        (true, 0) => (-seconds, 0),
        (true, _) => (-seconds - 1, 1_000_000_000 - nanoseconds),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: Result<Pax, &str>) {
        let got = Pax::parse(bytes);
        match expected {
            Ok(pax) => assert_eq!(got, Ok(pax), "{}", String::from_utf8_lossy(bytes)),
            Err(part) => assert!(
                got.as_ref().is_err_and(|message| message.contains(part)),
                "{}: {got:?}",
                String::from_utf8_lossy(bytes)
            ),
        }
    }

    #[test]
    fn records_are_read_by_their_length() {
        check(b"", Ok(Pax::default()));
        check(
            b"12 path=a/b\n",
            Ok(Pax {
                path: Some(b"a/b".to_vec()),
                ..Pax::default()
            }),
        );
        check(
            b"9 size=7\n",
            Ok(Pax {
                size: Some(7),
                ..Pax::default()
            }),
        );
        check(b"9 path=\n", Err("malformed"));
        check(b"8 path=\n", Ok(Pax::default()));
        check(
            b"22 mtime=1700000000.5\n",
            Ok(Pax {
                mtime: Some((1_700_000_000, 500_000_000)),
                ..Pax::default()
            }),
        );
        check(b"13 mtime=-1.5\n", Err("malformed"));
        check(
            b"14 mtime=-1.5\n",
            Ok(Pax {
                mtime: Some((-2, 500_000_000)),
                ..Pax::default()
            }),
        );
        check(b"21 GNU.sparse.major=1\n", Err("malformed"));
        check(
            b"22 GNU.sparse.major=1\n",
            Ok(Pax {
                sparse: true,
                ..Pax::default()
            }),
        );
    }

    #[test]
    fn a_value_with_line_ends_hides_no_record() {
        let rest = b" SCHILY.xattr.user.a=x\n9 path=z\n\n";
        let bytes = [format!("{}", rest.len() + 2).as_bytes(), rest].concat();
        check(
            &bytes,
            Ok(Pax {
                xattrs: vec![(c"user.a".into(), b"x\n9 path=z\n".to_vec())],
                ..Pax::default()
            }),
        );
    }

    #[test]
    fn malformed_records_are_refused() {
        for bytes in [
            &b"path=a\n"[..],
            b"99 path=a\n",
            b"10 path=a",
            b"+9 path=a\n",
            b"3 \n",
            b"0 path=a\n",
            b"18446744073709551616 path=a\n",
            b"7 =abc\n",
            b"7 abcd\n",
        ] {
            check(bytes, Err("malformed"));
        }
        check(b"12 path=a\0b\n", Err("zero byte"));
        check(b"11 size=-1\n", Err("not a number"));
        check(b"14 mtime=1e10\n", Err("not a time"));
    }
}
