//! Bugs that are planted on purpose: a test plants one and shows that the simulator finds it. In
//! what is shipped there are none, and nothing to switch them on.

/// A bug that can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// An update from a peer is handed on before its dot is taken down as known.
    ForwardBeforeDedup,
    /// A write is acknowledged before it is on disk.
    AckBeforeSync,
    /// A reader's cursor names one update less than the reader was given.
    CursorOffByOne,
    /// Links to a node that is retired stay as they are.
    KeepRetired,
}

#[cfg(test)]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Plants a bug in all that this thread runs, or none.
#[cfg(test)]
pub(crate) fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

/// True when this bug is planted.
#[cfg(test)]
pub(crate) fn is_planted(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// True when this bug is planted: never.
#[cfg(not(test))]
#[inline]
pub(crate) const fn is_planted(_: Bug) -> bool {
    false
}
