//! The words that have numbers in the dialect `pb`.

macro_rules! words {
    ($($number:literal = $word:literal,)*) => {
        /// The word of a number.
        pub(super) fn word(number: u64) -> Option<&'static [u8]> {
            match number {
                $($number => Some($word),)*
                _ => None,
            }
        }

        /// The number of a word.
        pub(super) fn number(word: &[u8]) -> Option<u8> {
            match word {
                $($word => Some($number),)*
                _ => None,
            }
        }
    };
}

words! {
    1 = b"None",
    2 = b"class",
    3 = b"dereference",
    4 = b"reference",
    5 = b"dictionary",
    6 = b"function",
    7 = b"instance",
    8 = b"list",
    9 = b"module",
    10 = b"persistent",
    11 = b"tuple",
    12 = b"unpersistable",
    13 = b"copy",
    14 = b"cache",
    15 = b"cached",
    16 = b"remote",
    17 = b"local",
    18 = b"lcache",
    19 = b"version",
    20 = b"login",
    21 = b"password",
    22 = b"challenge",
    23 = b"logged_in",
    24 = b"not_logged_in",
    25 = b"cachemessage",
    26 = b"message",
    27 = b"answer",
    28 = b"error",
    29 = b"decref",
    30 = b"decache",
    31 = b"uncache",
}
