//! Numbers of many bits in the digits 0-9 a-z, of a fixed length.

const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// The big-endian number in so many digits, zeros in front. The caller sees to it that they are enough.
pub(crate) fn encode(bytes: &[u8], length: usize) -> String {
    let mut number = bytes.to_vec();
    let mut digits = vec![b'0'; length];
    for digit in digits.iter_mut().rev() {
        let mut rest = 0u32;
        for byte in &mut number {
            let value = rest * 256 + u32::from(*byte);
            *byte = u8::try_from(value / 36).expect("less than 256, as the rest was less than 36");
            rest = value % 36;
        }
        *digit = DIGITS[rest as usize];
    }
    debug_assert!(
        number.iter().all(|byte| *byte == 0),
        "{length} digits hold the number"
    );
    digits.into_iter().map(char::from).collect()
}

/// The number, if it is one and fits.
pub(crate) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut number = [0u8; N];
    for character in text.bytes() {
        let mut carry = u32::try_from(DIGITS.iter().position(|digit| *digit == character)?).ok()?;
        for byte in number.iter_mut().rev() {
            let value = u32::from(*byte) * 36 + carry;
            *byte = u8::try_from(value % 256).ok()?;
            carry = value / 256;
        }
        if carry != 0 {
            return None;
        }
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(bytes in any::<[u8; 32]>()) {
            let text = super::encode(&bytes, 50);
            prop_assert_eq!(text.len(), 50);
            prop_assert_eq!(super::decode::<32>(&text), Some(bytes));
        }
    }

    #[test]
    fn what_is_no_number_is_none() {
        assert_eq!(super::encode(&[1, 0], 3), "074");
        assert_eq!(super::decode::<2>("074"), Some([1, 0]));
        assert_eq!(super::decode::<2>("07A"), None);
        assert_eq!(super::decode::<1>("zz"), None, "too large");
    }
}
