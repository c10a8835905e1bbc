//! Acts in any order, number and company make the same rows.

use super::*;
use crate::accounts::Token;
use crate::store::{Birth, SimDisk, Store, StoreOptions};
use crate::update::{Draft, Hlc, Kind, SigningKey};
use proptest::prelude::*;
use std::sync::Arc;

fn store() -> Store {
    let fresh = Birth::of(&SigningKey::from_seed([1; 32]).public(), 7);
    let options = StoreOptions { fresh, ..StoreOptions::default() };
    Store::open(Arc::new(SimDisk::new(1)), options).unwrap().0
}

fn said(clock: u64, act: &Act) -> Update {
    Update::seal(Draft {
        clock: Hlc(clock),
        kind: Kind::Account,
        topic: "accounts",
        media_type: "application/json",
        payload: &act.encode(),
        ..Draft::sample(1)
    })
    .unwrap()
}

fn made(name: &str, scopes: Scopes) -> Act {
    Act::Account { name: name.to_owned(), password: PasswordHash::stand_in(), scopes }
}

fn token_of(name: &str, secret: u8) -> Act {
    let token = Token::of([secret; 32]);
    let (id, digest) = (token.id(), token.digest());
    Act::Token { id, name: name.to_owned(), scopes: Scopes::WRITER, digest }
}

fn id(secret: u8) -> TokenId {
    Token::of([secret; 32]).id()
}

fn act() -> impl Strategy<Value = Act> {
    let name = prop::sample::select(vec!["ann", "bob"]);
    let scopes = prop::sample::select(vec![Scopes::READER, Scopes::WRITER, Scopes::ALL]);
    prop_oneof![
        (name.clone(), scopes).prop_map(|(name, scopes)| made(name, scopes)),
        name.clone().prop_map(|name| Act::Remove { name: name.to_owned() }),
        (name, 0..2_u8).prop_map(|(name, secret)| token_of(name, secret)),
        (0..2_u8).prop_map(|secret| Act::Revoke { id: id(secret) }),
    ]
}

fn rows(store: &Store) -> Vec<(Vec<u8>, Vec<u8>)> {
    let (from, to) = ([TABLE], [TABLE + 1]);
    let bounds = (Bound::Included(&from[..]), Bound::Excluded(&to[..]));
    store.index().scan(bounds.0, bounds.1, 1000, Direction::Up).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_rows_are_a_function_of_the_set_of_acts(
        acts in prop::collection::vec((0..6_u64, act()), 0..12),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
    ) {
        let updates: Vec<Update> = acts.iter().map(|(clock, act)| said(*clock, act)).collect();
        let (mut one, mut other) = (store(), store());
        for update in &updates {
            enter(one.index_mut(), update).unwrap();
        }
        if !updates.is_empty() {
            for at in order {
                enter(other.index_mut(), at.get(&updates)).unwrap();
            }
        }
        for update in updates.iter().rev() {
            enter(other.index_mut(), update).unwrap();
        }
        prop_assert_eq!(rows(&one), rows(&other));
    }
}

fn after(acts: &[(u64, Act)]) -> Store {
    let mut store = store();
    for (clock, act) in acts {
        enter(store.index_mut(), &said(*clock, act)).unwrap();
    }
    store
}

#[test]
fn the_last_act_on_an_account_counts() {
    let remove = Act::Remove { name: "ann".to_owned() };
    let store = after(&[(2, made("ann", Scopes::ALL)), (1, made("ann", Scopes::WRITER))]);
    let ann = account(store.index(), "ann").unwrap().unwrap();
    assert_eq!((ann.scopes, ann.act), (Scopes::ALL, said(2, &made("ann", Scopes::ALL)).cid()));
    assert_eq!(account(store.index(), "an").unwrap(), None);
    let store = after(&[(3, remove.clone()), (2, made("ann", Scopes::ALL))]);
    assert_eq!(account(store.index(), "ann").unwrap(), None);
    let store = after(&[(4, made("ann", Scopes::ALL)), (3, remove)]);
    assert!(account(store.index(), "ann").unwrap().is_some());
}

#[test]
fn a_token_ends_when_it_is_revoked_or_its_name_removed_and_does_not_come_back() {
    let remove = Act::Remove { name: "ann".to_owned() };
    let is_good = |acts: &[(u64, Act)]| {
        let store = after(acts);
        let good = token(store.index(), id(7)).unwrap();
        let listed = tokens(store.index(), None, 10).unwrap().0;
        let named = tokens_of(store.index(), "ann", 10).unwrap();
        assert_eq!((listed.first(), named.first()), (good.as_ref(), good.as_ref()));
        good.is_some()
    };
    assert!(is_good(&[(1, token_of("ann", 7))]));
    assert!(!is_good(&[(1, token_of("ann", 7)), (0, Act::Revoke { id: id(7) })]));
    assert!(!is_good(&[(0, Act::Revoke { id: id(7) }), (1, token_of("ann", 7))]));
    assert!(!is_good(&[(1, token_of("ann", 7)), (2, remove.clone())]));
    assert!(is_good(&[(2, token_of("ann", 7)), (1, remove.clone())]));
    // The account of the name that is made anew is another one.
    let again = made("ann", Scopes::ALL);
    assert!(!is_good(&[(1, token_of("ann", 7)), (2, remove), (3, again)]));
}

#[test]
fn lists_go_on_where_they_ended() {
    let names = ["ann", "bob", "cleo", "dan"];
    let mut acts: Vec<_> = names.iter().map(|name| (1, made(name, Scopes::WRITER))).collect();
    acts.push((2, Act::Remove { name: "bob".to_owned() }));
    let store = after(&acts);
    let mut found = Vec::new();
    let mut next = None;
    loop {
        let (some, more) = accounts(store.index(), next.as_deref(), 2).unwrap();
        found.extend(some.into_iter().map(|account| account.name));
        if more.is_none() {
            break;
        }
        next = more;
    }
    assert_eq!(found, ["ann", "cleo", "dan"]);
    let (some, more) = accounts(store.index(), None, 10).unwrap();
    assert_eq!((some.len(), more), (3, None));
}
