//! Messages: lists that begin with a command.

use super::error::PbFault;
use super::jelly::ObjectId;
use crate::proto::banana::{Item, Writer};

/// The longest id of a request that is no number, in bytes.
const REQUEST_BYTES_MAX: usize = 256;

/// Names a call to its caller, who chose it; it goes back as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestId {
    /// As all known callers do.
    Number(i64),
    /// As any may.
    Bytes(Box<[u8]>),
}

impl RequestId {
    fn of(item: &Item<'_>) -> Option<Self> {
        match item {
            Item::Int(number) => Some(Self::Number(*number)),
            Item::Bytes(bytes) if bytes.len() <= REQUEST_BYTES_MAX => {
                Some(Self::Bytes((*bytes).into()))
            }
            _ => None,
        }
    }

    pub(super) fn put(&self, writer: &mut Writer<'_>) {
        match self {
            Self::Number(number) => writer.int(*number),
            Self::Bytes(bytes) => writer.bytes(bytes),
        }
    }
}

/// A message as it came; what it carries is not read yet.
#[derive(Debug)]
pub(super) enum Message<'t, 'a> {
    Version(i64),
    /// A call.
    Call {
        /// None where no answer is wanted.
        id: Option<RequestId>,
        object: ObjectId<'a>,
        method: &'a [u8],
        args: &'t Item<'a>,
        named: &'t Item<'a>,
    },
    Answer(i64, &'t Item<'a>),
    Error(i64, &'t Item<'a>),
    Decref(i64),
    DidNotUnderstand,
}

impl<'t, 'a> Message<'t, 'a> {
    pub(super) fn read(item: &'t Item<'a>) -> Result<Self, PbFault> {
        let Item::List(items) = item else { return Err(PbFault::Form) };
        let Some((Item::Bytes(command), fields)) = items.split_first() else {
            return Err(PbFault::Form);
        };
        match (*command, fields) {
            (b"version", [Item::Int(version)]) => Ok(Self::Version(*version)),
            (b"message", [id, object, Item::Bytes(method), wants, args, named]) => {
                let wants_answer = !matches!(wants, Item::Int(0));
                Ok(Self::Call {
                    id: RequestId::of(id)
                        .map(Some)
                        .ok_or(PbFault::Fields)?
                        .filter(|_| wants_answer),
                    object: ObjectId::of(object).ok_or(PbFault::Fields)?,
                    method,
                    args,
                    named,
                })
            }
            (b"answer", [Item::Int(id), value]) => Ok(Self::Answer(*id, value)),
            (b"error", [Item::Int(id), failure]) => Ok(Self::Error(*id, failure)),
            (b"decref", [Item::Int(object)]) => Ok(Self::Decref(*object)),
            (b"didNotUnderstand", [_]) => Ok(Self::DidNotUnderstand),
            // There are no caches here, so none is known by any id.
            (b"cachemessage", [_, _, _, _, _, _]) | (b"decache" | b"uncache", [_]) => {
                Err(PbFault::Reference)
            }
            (
                b"version" | b"message" | b"answer" | b"error" | b"decref" | b"didNotUnderstand"
                | b"cachemessage" | b"decache" | b"uncache",
                _,
            ) => Err(PbFault::Fields),
            _ => Err(PbFault::Command),
        }
    }
}
