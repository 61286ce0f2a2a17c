//! What lets a node in.

use std::fmt;
use std::str::FromStr;

use crate::base36;
use crate::error::IdentityError;
use crate::secret;

const PREFIX: &str = "MINITKN-1-";
const DIGEST_DIGITS: usize = 50;
const SECRET_DIGITS: usize = 25;

/// A join token: `MINITKN-1-<digest of the roots>-<secret>`, both in base 36. Which role it gives is known to the managers alone.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken {
    digest: [u8; 32],
    secret: [u8; 16],
}

impl JoinToken {
    /// A new token for a cluster whose roots have that digest.
    pub fn generate(digest: [u8; 32]) -> Self {
        JoinToken {
            digest,
            secret: secret(),
        }
    }

    /// The same secret for other roots.
    pub fn with_digest(&self, digest: [u8; 32]) -> Self {
        JoinToken {
            digest,
            secret: self.secret,
        }
    }

    /// Digest of the roots of the cluster it belongs to.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Whether both carry the same secret. Takes the same time whatever the answer.
    pub fn same_secret(&self, other: &JoinToken) -> bool {
        let difference = self
            .secret
            .iter()
            .zip(other.secret)
            .fold(0, |sum, (mine, its)| sum | (mine ^ its));
        std::hint::black_box(difference) == 0
    }
}

impl fmt::Display for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (digest, secret) = (
            base36::encode(&self.digest, DIGEST_DIGITS),
            base36::encode(&self.secret, SECRET_DIGITS),
        );
        write!(f, "{PREFIX}{digest}-{secret}")
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a join token")
    }
}

impl FromStr for JoinToken {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let text = text.trim();
        let wrong = |reason: String| IdentityError::Token(reason);
        let Some(rest) = text.strip_prefix(PREFIX) else {
            let hint = if text.starts_with("SWMTKN") {
                ": it belongs to a Docker Swarm"
            } else {
                ""
            };
            return Err(wrong(format!(
                "not a join token{hint}: a join token begins with {PREFIX}"
            )));
        };
        let whole = PREFIX.len() + DIGEST_DIGITS + 1 + SECRET_DIGITS;
        if text.len() < whole {
            return Err(wrong(format!(
                "the join token is cut off: it has {} of {whole} characters",
                text.len()
            )));
        }
        let parts = rest.split_once('-').filter(|(digest, secret)| {
            digest.len() == DIGEST_DIGITS && secret.len() == SECRET_DIGITS
        });
        let Some((digest, secret)) = parts else {
            return Err(wrong("the join token has too many characters".to_owned()));
        };
        let garbled = || {
            wrong("the join token is garbled: it may have the digits 0-9 and a-z alone".to_owned())
        };
        Ok(JoinToken {
            digest: base36::decode(digest).ok_or_else(garbled)?,
            secret: base36::decode(secret).ok_or_else(garbled)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::JoinToken;

    #[test]
    fn a_token_is_this_text() {
        let token = JoinToken {
            digest: [0xab; 32],
            secret: [7; 16],
        };
        let text = "MINITKN-1-480uzdu8j72b6hxx0ts4v8gibdqhg0nwmp24x2s50n2nzljzfv-0f2wzgtbb3zmltfgs2vjh1mlz";
        let printed = token.to_string();
        assert_eq!(printed.len(), text.len());
        assert_eq!(printed.parse(), Ok(token.clone()));
        assert!(token.same_secret(&token.with_digest([1; 32])));
        assert!(!token.same_secret(&JoinToken {
            digest: [0xab; 32],
            secret: [8; 16]
        }));
    }

    #[test]
    fn what_is_no_token_says_why() {
        let good = JoinToken::generate([3; 32]).to_string();
        let table = [
            (&good[..41], "cut off: it has 41 of 86"),
            ("SWMTKN-1-abc-def", "Docker Swarm"),
            ("hello", "begins with MINITKN-1-"),
            (&format!("{good}x"), "too many"),
            (
                &good
                    .replace("MINITKN-1-", "MINITKN-1-!")
                    .replacen('!', "_", 1)[..86],
                "too many",
            ),
        ];
        for (text, expected) in table {
            let error = text.parse::<JoinToken>().expect_err(text).to_string();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(error.contains("join-token worker"), "{error}");
        }
    }
}
