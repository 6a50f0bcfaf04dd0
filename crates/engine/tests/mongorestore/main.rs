//! mongorestore's flow on real servers: mongodump's dumps come back whole, damage is named, no document is lost
//! without a word.

mod damage;
mod desk;
mod goldens;
mod hard_cases;
mod names;
