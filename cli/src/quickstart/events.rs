//! Events that look like a shop's sales and a broker's trades, from a seeded generator.
//!
//! Must not know: tables. Invariant: the producer never holds more than a second's events.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use common::clock::{Clock, SystemClock};
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::json;

use super::tables::{SALES, TRADES};

const PRODUCTS: &[(&str, &str, f64)] = &[
    ("Notebook 14", "Eletrônicos", 4299.0),
    ("Fone sem fio", "Eletrônicos", 249.9),
    ("Cafeteira", "Casa", 389.0),
    ("Tênis de corrida", "Esportes", 459.9),
    ("Livro de receitas", "Livros", 59.9),
    ("Camiseta básica", "Moda", 49.9),
    ("Mochila", "Moda", 189.9),
    ("Monitor 27", "Eletrônicos", 1499.0),
    ("Panela de ferro", "Casa", 229.0),
    ("Bicicleta aro 29", "Esportes", 2199.0),
    ("Protetor solar", "Beleza", 64.9),
    ("Vinho do Porto", "Alimentos", 119.0),
];
const CITIES: &[(&str, &str)] = &[
    ("São Paulo", "SP"),
    ("Rio de Janeiro", "RJ"),
    ("Belo Horizonte", "MG"),
    ("Curitiba", "PR"),
    ("Recife", "PE"),
    ("Porto Alegre", "RS"),
    ("Salvador", "BA"),
    ("Fortaleza", "CE"),
    ("Manaus", "AM"),
    ("Brasília", "DF"),
];
const PAYMENTS: &[&str] = &["PIX", "cartão de crédito", "cartão de débito", "boleto"];
const CHANNELS: &[&str] = &["app", "site", "loja"];
const SYMBOLS: &[&str] = &[
    "PETR4", "VALE3", "ITUB4", "BBDC4", "MGLU3", "AAPL", "AMZN", "NFLX", "NVDA", "META", "TSLA",
    "ORCL",
];

/// Makes the topics where they are not there yet.
pub(super) async fn create_topics(bootstrap: &str) -> Result<()> {
    let admin: AdminClient<_> = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .create()?;
    let topics = [
        NewTopic::new(SALES, 2, TopicReplication::Fixed(1)),
        NewTopic::new(TRADES, 2, TopicReplication::Fixed(1)),
    ];
    // A topic that exists already is what is wanted.
    admin
        .create_topics(&topics, &AdminOptions::new())
        .await
        .with_context(|| format!("cannot reach the stream at {bootstrap}"))?;
    Ok(())
}

/// A running generator.
pub(super) struct Generator(Arc<AtomicBool>);

impl Generator {
    pub(super) fn stop(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Starts producing so many events a second.
pub(super) fn start(bootstrap: &str, rate: u32) -> Result<Generator> {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("linger.ms", "5")
        .create()
        .context("cannot make a producer")?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    std::thread::Builder::new()
        .name("generator".to_owned())
        .spawn(move || {
            let mut random = SmallRng::seed_from_u64(SystemClock.now_ms().unsigned_abs());
            let mut id = SystemClock.now_ms() % 1_000_000_000;
            while !stopped.load(Ordering::SeqCst) {
                for _ in 0..(rate / 50).max(1) {
                    id += 1;
                    let (topic, event) = if id % 2 == 0 {
                        (SALES, sale(&mut random, id))
                    } else {
                        (TRADES, trade(&mut random, id))
                    };
                    let record = BaseRecord::<(), str>::to(topic)
                        .partition((id / 2 % 2) as i32)
                        .payload(&event);
                    if producer.send(record).is_err() {
                        // The queue is full: the stream is slower than the wish.
                        producer.poll(Duration::from_millis(20));
                    }
                }
                producer.poll(Duration::from_millis(0));
                std::thread::sleep(Duration::from_millis(20));
            }
            // What is still queued may be lost at the end of a demonstration.
            let _ = producer.flush(Duration::from_secs(2));
        })?;
    Ok(Generator(stop))
}

fn sale(random: &mut SmallRng, id: i64) -> String {
    let index = (random.random_range(0.0_f64..1.0).powi(2) * PRODUCTS.len() as f64) as usize;
    let (product, category, price) = PRODUCTS[index.min(PRODUCTS.len() - 1)];
    let (city, state) = CITIES
        .choose(random)
        .copied()
        .unwrap_or(("São Paulo", "SP"));
    let quantity = random.random_range(1..=5);
    let discount = f64::from(random.random_range(0..=3)) * 0.05;
    let total = (price * f64::from(quantity) * (1.0 - discount) * 100.0).round() / 100.0;
    json!({
        "id_venda": format!("{id:012x}"), "id_produto": format!("P{index:04}"), "produto": product, "categoria": category,
        "cidade": city, "estado": state, "forma_pagamento": PAYMENTS.choose(random), "canal": CHANNELS.choose(random),
        "cliente_id": random.random_range(1..5000), "quantidade": quantity, "preco_unitario": price, "desconto": discount,
        "valor_total": total, "data_venda": SystemClock.now_ms(),
    })
    .to_string()
}

fn trade(random: &mut SmallRng, id: i64) -> String {
    json!({
        "id": id, "user_id": random.random_range(1..5000), "symbol": SYMBOLS.choose(random),
        "shares": random.random_range(1..1000), "purchase": f64::from(random.random_range(100..100_000)) / 100.0,
        "update_at": SystemClock.now_ms(),
    })
    .to_string()
}
