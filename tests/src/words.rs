//! Command lines as they are typed: `host.minictl("run --rm {image} sh -c 'exit 3'")`.

/// Something that is a list of arguments.
pub trait Words {
    /// The arguments.
    fn words(self) -> Vec<String>;
}

impl<A: AsRef<str>, const N: usize> Words for [A; N] {
    fn words(self) -> Vec<String> {
        self.iter().map(|word| word.as_ref().to_owned()).collect()
    }
}

impl<A: AsRef<str>> Words for &[A] {
    fn words(self) -> Vec<String> {
        self.iter().map(|word| word.as_ref().to_owned()).collect()
    }
}

impl<A: AsRef<str>> Words for Vec<A> {
    fn words(self) -> Vec<String> {
        self.as_slice().words()
    }
}

impl Words for String {
    fn words(self) -> Vec<String> {
        self.as_str().words()
    }
}

/// Split at blanks; what stands in single quotes is one word, quotes excluded.
impl Words for &str {
    #[track_caller]
    fn words(self) -> Vec<String> {
        let mut words = Vec::new();
        let mut word = None::<String>;
        for (index, part) in self.split('\'').enumerate() {
            if index % 2 == 1 {
                word.get_or_insert_default().push_str(part);
                continue;
            }
            for letter in part.chars() {
                match letter.is_whitespace() {
                    true => words.extend(word.take()),
                    false => word.get_or_insert_default().push(letter),
                }
            }
        }
        assert!(
            self.matches('\'').count().is_multiple_of(2),
            "a quote is open: {self}"
        );
        words.extend(word);
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_split_as_a_shell_would() {
        assert_eq!("".words(), [""; 0]);
        assert_eq!(
            " run  -e A='b c' '' sh\n".words(),
            ["run", "-e", "A=b c", "", "sh"]
        );
    }
}
