//! What a peer can do wrong, and the code that a close says it with (RFC 6455, 7.4).

use std::fmt;

/// Why a connection is closed, as it stands in a close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CloseCode(u16);

impl CloseCode {
    /// This end goes away: a server that stops, a page that is left.
    pub const GOING_AWAY: Self = Self(1001);
    /// The other end broke the protocol.
    const PROTOCOL: Self = Self(1002);
    /// Data of a kind that is not taken here.
    pub const UNSUPPORTED: Self = Self(1003);
    /// Data that are not what they say: no UTF-8 in a text.
    const INVALID_DATA: Self = Self(1007);
    /// A rule of this end's own was broken.
    pub const POLICY: Self = Self(1008);
    /// A message that is too large.
    pub const TOO_LARGE: Self = Self(1009);
    /// This end met something that it did not expect.
    pub const INTERNAL: Self = Self(1011);
    /// This end has too much to do.
    pub const TRY_LATER: Self = Self(1013);

    /// The code of this number; `None` for those that no close frame may carry (7.4.1, 7.4.2).
    pub fn new(number: u16) -> Option<Self> {
        // 1004 means nothing yet; 1005, 1006 and 1015 stand for closes without a frame.
        let is_sound = matches!(number, 1000..=1003 | 1007..=1014 | 3000..=4999);
        is_sound.then_some(Self(number))
    }

    /// Its number.
    pub fn number(self) -> u16 {
        self.0
    }
}

/// A broken rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WsError {
    /// Which one.
    pub kind: WsErrorKind,
    /// Where: in bytes from the first one behind the upgrade to the byte of a frame's head that is
    /// wrong, or to the head of the frame whose payload is.
    pub offset: u64,
}

macro_rules! kinds {
    ($($name:ident = $code:ident, $text:literal;)+) => {
        /// Which rule was broken.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs)] // Their texts say it.
        pub enum WsErrorKind {
            $($name,)+
        }

        impl WsErrorKind {
            /// What was wrong, as a sentence without its end.
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }

            /// The code to close with.
            pub fn code(self) -> CloseCode {
                match self {
                    $(Self::$name => CloseCode::$code,)+
                }
            }
        }
    };
}

kinds! {
    ReservedBit = PROTOCOL, "a reserved bit is set that nothing agreed gives a meaning";
    Opcode = PROTOCOL, "a frame has an opcode that means nothing";
    ControlFragmented = PROTOCOL, "a control frame is in fragments";
    ControlTooLong = PROTOCOL, "a control frame has more than 125 bytes";
    NotMasked = PROTOCOL, "a client's frame is not masked";
    Masked = PROTOCOL, "a server's frame is masked";
    Length = PROTOCOL, "a length is not in its shortest form, or over 2^63";
    NoMessage = PROTOCOL, "a frame continues a message that was not begun";
    MessageUnfinished = PROTOCOL, "a message begins before the last one has ended";
    CloseLength = PROTOCOL, "a close frame has one byte: half a code";
    CloseCode = PROTOCOL, "a close frame has a code that may not be sent";
    Utf8 = INVALID_DATA, "a text is not UTF-8";
    Deflated = INVALID_DATA, "a message can't be inflated";
    MessageTooLarge = TOO_LARGE, "a message is larger than is taken here";
}

impl fmt::Display for WsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, at byte {}", self.kind.text(), self.offset)
    }
}

impl std::error::Error for WsError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_that_a_frame_may_carry() {
        let sound = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014];
        for number in sound.into_iter().chain([3000, 3999, 4000, 4999]) {
            assert_eq!(CloseCode::new(number).map(CloseCode::number), Some(number));
        }
        let unsound = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535];
        for number in unsound {
            assert_eq!(CloseCode::new(number), None, "{number}");
        }
    }
}
