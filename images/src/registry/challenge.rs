//! How a registry asks for credentials (RFC 9110, 11.6.1; distribution's token specification), and who may see them. Pure.

use reqwest::Url;

use super::endpoint::authority;

/// What a `401` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// Name and password with each request.
    Basic,
    /// A token, which another server gives out.
    Bearer(Bearer),
}

/// Where a token is to be had, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bearer {
    pub(super) realm: String,
    pub(super) service: Option<String>,
    pub(super) scope: Option<String>,
}

/// The best of all challenges in the headers: a token before a password.
pub(super) fn choose<'h>(headers: impl Iterator<Item = &'h str>) -> Option<Challenge> {
    let mut found = None;
    for header in headers {
        for challenge in parse(header) {
            if found.is_none() || matches!(challenge, Challenge::Bearer(_)) {
                found = Some(challenge);
            }
        }
    }
    found
}

/// All challenges of one header that are understood.
fn parse(header: &str) -> Vec<Challenge> {
    let mut challenges = Vec::new();
    let mut current: Option<(String, Vec<(String, String)>)> = None;
    let mut rest = header.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|c: char| !is_token(c)).unwrap_or(rest.len());
        if end == 0 {
            // A separator, or something that no grammar allows.
            rest = rest.trim_start_matches(|c: char| c == ',' || c.is_whitespace());
            if rest.chars().next().is_some_and(|c| !is_token(c)) {
                break;
            }
            continue;
        }
        let (word, after) = rest.split_at(end);
        let after = after.trim_start();
        match after.strip_prefix('=') {
            Some(after) => {
                let Some((value, after)) = parse_value(after.trim_start()) else {
                    break;
                };
                if let Some((_, parameters)) = &mut current {
                    parameters.push((word.to_ascii_lowercase(), value));
                }
                rest = after.trim_start();
            }
            None => {
                challenges.extend(current.take().and_then(finish));
                current = Some((word.to_ascii_lowercase(), Vec::new()));
                rest = after;
            }
        }
    }
    challenges.extend(current.and_then(finish));
    challenges
}

fn finish((scheme, parameters): (String, Vec<(String, String)>)) -> Option<Challenge> {
    let get = |name: &str| {
        let found = parameters.iter().find(|(key, _)| key == name);
        found
            .map(|(_, value)| value.clone())
            .filter(|value| !value.is_empty())
    };
    match scheme.as_str() {
        "basic" => Some(Challenge::Basic),
        "bearer" => Some(Challenge::Bearer(Bearer {
            realm: get("realm")?,
            service: get("service"),
            scope: get("scope"),
        })),
        _ => None,
    }
}

/// A value with or without quotes, and what comes after it.
fn parse_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text
            .find(|c: char| c == ',' || c.is_whitespace())
            .unwrap_or(text.len());
        return Some((text[..end].to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((place, character)) = characters.next() {
        match character {
            '"' => return Some((value, &quoted[place + 1..])),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

/// May the server that gives out tokens for `registry` be shown the user's credentials for it?
///
/// Docker shows them to whatever host a registry names. Here it has to be the registry's own: the same host (on any port), or one of the
/// same domain, as `auth.docker.io` is to `registry-1.docker.io`; and never over a weaker connection than the registry's.
pub(super) fn may_see_credentials(registry: &Url, realm: &Url) -> bool {
    if registry.scheme() == "https" && realm.scheme() != "https" {
        return false;
    }
    let (Some(registry), Some(realm)) = (registry.host_str(), realm.host_str()) else {
        return false;
    };
    registry.eq_ignore_ascii_case(realm)
        || domain(registry).is_some_and(|own| domain(realm) == Some(own))
}

/// The part of a host name that one owner has registered: two labels, or three where the second is short and the first a country, as in
/// `co.uk`. Names of fewer labels, and addresses, have none.
fn domain(host: &str) -> Option<&str> {
    if host.starts_with('[')
        || host
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
    {
        return None;
    }
    let host = host.trim_end_matches('.');
    let mut labels = host.rsplit('.');
    let (top, second) = (labels.next()?, labels.next()?);
    let mut length = top.len() + 1 + second.len();
    if top.len() == 2 && second.len() <= 3 {
        length += 1 + labels.next()?.len();
    }
    // A suffix under which strangers get names for the asking is nobody's domain.
    let domain = &host[host.len() - length..];
    (!SHARED.contains(&domain)).then_some(domain)
}

/// Suffixes under which strangers have names.
const SHARED: [&str; 14] = [
    "amazonaws.com",
    "appspot.com",
    "azurecr.io",
    "azurewebsites.net",
    "cloudapp.net",
    "cloudfront.net",
    "fly.dev",
    "github.io",
    "gitlab.io",
    "herokuapp.com",
    "netlify.app",
    "pages.dev",
    "vercel.app",
    "workers.dev",
];

/// A person's name for a URL's host.
pub(super) fn host_of(url: &Url) -> String {
    authority(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Option<Challenge> {
        Some(Challenge::Bearer(Bearer {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
            scope: scope.map(str::to_owned),
        }))
    }

    #[test]
    fn reads_challenges() {
        for (header, expected) in [
            (
                r#"Bearer realm="https://a/t",service="s",scope="repository:x:pull,push""#,
                bearer("https://a/t", Some("s"), Some("repository:x:pull,push")),
            ),
            (
                r#"bearer  realm = "https://a/t" , service=s"#,
                bearer("https://a/t", Some("s"), None),
            ),
            (r#"Basic realm="x""#, Some(Challenge::Basic)),
            ("Basic", Some(Challenge::Basic)),
            (
                r#"Basic realm="x", Bearer realm="https://a/t""#,
                bearer("https://a/t", None, None),
            ),
            (r#"Negotiate, Basic realm="x""#, Some(Challenge::Basic)),
            (
                r#"Bearer realm="a\"b",error="invalid_token""#,
                bearer("a\"b", None, None),
            ),
            (r#"Bearer service="s""#, None),
            (r#"Bearer realm="unclosed"#, None),
            ("Digest realm=\"x\", nonce=\"y\"", None),
            ("", None),
            ("=,=\"", None),
            ("é", None),
        ] {
            assert_eq!(choose([header].into_iter()), expected, "{header}");
        }
        assert_eq!(
            choose(["Basic", "Bearer realm=\"r\""].into_iter()),
            bearer("r", None, None)
        );
    }

    #[test]
    fn shows_credentials_to_the_registrys_own_only() {
        for (registry, realm, expected) in [
            (
                "https://registry-1.docker.io",
                "https://auth.docker.io/token",
                true,
            ),
            ("https://ghcr.io", "https://ghcr.io/token", true),
            (
                "https://registry.gitlab.com",
                "https://gitlab.com/jwt/auth",
                true,
            ),
            ("http://localhost:5000", "http://localhost:5001/token", true),
            ("http://127.0.0.1:5000", "http://127.0.0.1:5001/token", true),
            (
                "http://127.0.0.1:5000",
                "http://127.0.0.2:5001/token",
                false,
            ),
            ("https://10.0.0.1", "https://20.0.0.1/token", false),
            ("https://r.a.com", "http://r.a.com/token", false),
            ("https://r.a.com", "https://r.b.com/token", false),
            ("https://r.a.com", "https://a.com.evil.net/token", false),
            ("https://a.co.uk", "https://b.co.uk/token", false),
            ("https://r.a.co.uk", "https://auth.a.co.uk/token", true),
            (
                "https://one.azurecr.io",
                "https://two.azurecr.io/token",
                false,
            ),
            (
                "https://one.azurecr.io",
                "https://one.azurecr.io/oauth2/token",
                true,
            ),
            ("https://registry", "https://auth/token", false),
        ] {
            let url = |text: &str| Url::parse(text).unwrap();
            assert_eq!(
                may_see_credentials(&url(registry), &url(realm)),
                expected,
                "{registry} {realm}"
            );
        }
    }
}
