//! Where a redirect may lead, and what goes along (RFC 9110, 15.4). Pure.

use reqwest::Url;

/// Redirects followed for one request.
pub(super) const MAX_REDIRECTS: u32 = 10;

/// The next address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Next {
    pub(super) url: Url,
    /// It is the very server that the credentials were for.
    pub(super) same_server: bool,
}

/// Decides on a redirect from `from` to `location`, after `followed` others.
pub(super) fn follow(from: &Url, location: Option<&str>, followed: u32) -> Result<Next, String> {
    if followed >= MAX_REDIRECTS {
        return Err(format!("more than {MAX_REDIRECTS} redirects"));
    }
    let location = location.ok_or("a redirect that says not where to")?;
    let mut url = from
        .join(location)
        .map_err(|_| format!("a redirect to {location:?}, which is no address"))?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(format!(
            "a redirect to {}, which is neither https nor http",
            url.scheme()
        ));
    }
    if from.scheme() == "https" && url.scheme() == "http" {
        return Err(format!(
            "a redirect from https to plain http at {}, which is not followed",
            url.host_str().unwrap_or_default()
        ));
    }
    let same_server = url.origin() == from.origin();
    // Names and passwords in an address are not ours to send.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Ok(Next { url, same_server })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_with_care() {
        let from = "https://r.example:5000/v2/a/blobs/x";
        for (location, followed, expected) in [
            (
                Some("/other"),
                0,
                Ok(("https://r.example:5000/other", true)),
            ),
            (
                Some("https://r.example:5000/y?z=1"),
                9,
                Ok(("https://r.example:5000/y?z=1", true)),
            ),
            (
                Some("//cdn.example/y"),
                0,
                Ok(("https://cdn.example/y", false)),
            ),
            (
                Some("https://r.example/y"),
                0,
                Ok(("https://r.example/y", false)),
            ),
            (
                Some("https://sub.r.example:5000/y"),
                0,
                Ok(("https://sub.r.example:5000/y", false)),
            ),
            (
                Some("https://u:p@cdn.example/y"),
                0,
                Ok(("https://cdn.example/y", false)),
            ),
            (Some("/other"), 10, Err("more than 10")),
            (Some("http://r.example:5000/y"), 0, Err("plain http")),
            (Some("file:///etc/passwd"), 0, Err("neither")),
            (Some("https://"), 0, Err("no address")),
            (None, 0, Err("not where")),
        ] {
            let found = follow(&Url::parse(from).unwrap(), location, followed);
            match (found, expected) {
                (Ok(next), Ok((url, same))) => {
                    assert_eq!(
                        (next.url.as_str(), next.same_server),
                        (url, same),
                        "{location:?}"
                    );
                }
                (Err(error), Err(reason)) => {
                    assert!(error.contains(reason), "{location:?}: {error}")
                }
                (found, _) => panic!("{location:?}: {found:?}"),
            }
        }
        let plain = Url::parse("http://127.0.0.1:5000/v2/").unwrap();
        let next = follow(&plain, Some("https://cdn.example/"), 0).unwrap();
        assert!(!next.same_server, "from http to https is an improvement");
    }
}
