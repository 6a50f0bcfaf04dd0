//! Accounts whose sum never changes: money is moved by transactions, each with its line in a ledger.

use std::time::Duration;

use bson::{Document, doc};

use super::insert;
use crate::oracle::checks::integer;
use crate::oracle::pen::{Pen, put};
use crate::oracle::state::State;
use crate::oracle::writer::Writer;

const ACCOUNTS: i32 = 40;
const EACH: i64 = 1_000;
const PREFIX: &str = "bank_";

pub(in crate::oracle) struct Bank {
    database: String,
    balances: Vec<i64>,
    transfers: i32,
}

impl Bank {
    pub(in crate::oracle) fn new(number: usize) -> Self {
        let balances = (0..ACCOUNTS).map(|_| EACH).collect();
        Self { database: format!("{PREFIX}{number}"), balances, transfers: 0 }
    }

    fn account(&self, account: usize) -> Document {
        doc! { "_id": number(account), "balance": self.balances[account] }
    }

    /// Moves money; the ledger gets its line before, between or after the two accounts.
    async fn transfer(&mut self, pen: &mut Pen) {
        let from = pen.random.below(self.balances.len());
        let to = (from + 1 + pen.random.below(self.balances.len() - 1)) % self.balances.len();
        let amount = 1 + i64::from(pen.random.u32() % 50);
        let pause = pause(pen);
        let line = doc! { "_id": self.transfers, "from": number(from), "to": number(to), "amount": amount };
        let mut statements = vec![add(from, -amount), add(to, amount)];
        statements.insert(pen.random.below(3), insert("ledger", vec![line.clone()]));
        let statements: Vec<_> = statements.into_iter().map(|s| (self.database.as_str(), s)).collect();
        if pen.random.below(8) == 0 {
            return pen.aborted(&statements, pause).await;
        }
        self.balances[from] -= amount;
        self.balances[to] += amount;
        let accounts = format!("{}.accounts", self.database);
        let ledger = put(&format!("{}.ledger", self.database), &line);
        let changes = vec![put(&accounts, &self.account(from)), put(&accounts, &self.account(to)), ledger];
        pen.transaction(&statements, pause, changes).await;
        self.transfers += 1;
    }
}

fn number(account: usize) -> i32 {
    i32::try_from(account).expect("a few accounts")
}

fn add(account: usize, amount: i64) -> Document {
    let change = doc! { "q": { "_id": number(account) }, "u": { "$inc": { "balance": amount } } };
    doc! { "update": "accounts", "updates": [change] }
}

/// Now and then a transaction stays open for a while.
fn pause(pen: &mut Pen) -> Duration {
    Duration::from_millis(if pen.random.below(6) == 0 { 60 } else { 0 })
}

impl Writer for Bank {
    fn databases(&self) -> Vec<String> {
        vec![self.database.clone()]
    }

    async fn prepare(&mut self, pen: &mut Pen) {
        let accounts = (0..self.balances.len()).map(|account| self.account(account)).collect();
        pen.observed(&self.database, insert("accounts", accounts)).await;
        pen.observed(&self.database, doc! { "create": "ledger" }).await;
    }

    async fn step(&mut self, pen: &mut Pen) {
        self.transfer(pen).await;
    }
}

/// Banks that lost or made money, or whose accounts do not follow from their ledger.
pub(in crate::oracle) fn broken(state: &State) -> Vec<String> {
    let of_banks = state.namespaces.iter().filter(|(name, _)| name.starts_with(PREFIX));
    let accounts = of_banks.filter_map(|(name, accounts)| Some((name.strip_suffix(".accounts")?, accounts)));
    let mut lines = Vec::new();
    for (bank, accounts) in accounts {
        let mut balances = vec![EACH; accounts.documents().count()];
        let Some(ledger) = state.namespaces.get(&format!("{bank}.ledger")) else {
            lines.push(format!("{bank} has no ledger"));
            continue;
        };
        for (_, line) in ledger.documents() {
            let place = |field| usize::try_from(integer(line, field)).expect("the number of an account");
            balances[place("from")] -= integer(line, "amount");
            balances[place("to")] += integer(line, "amount");
        }
        let found: Vec<i64> = accounts.documents().map(|(_, account)| integer(account, "balance")).collect();
        let sum: i64 = found.iter().sum();
        if sum != i64::from(ACCOUNTS) * EACH {
            lines.push(format!("{bank}: the balances sum up to {sum}"));
        }
        if found != balances {
            lines.push(format!("{bank}: the balances do not follow from the ledger"));
        }
    }
    lines
}
