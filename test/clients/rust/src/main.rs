//! Reads a ticket or a descriptor with arrow-flight and default options, and prints what came as a line of JSON.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use arrow_flight::error::FlightError;
use arrow_flight::{FlightClient, FlightDescriptor, Ticket};
use futures::TryStreamExt;
use serde_json::json;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};

type Fault = Box<dyn std::error::Error>;

struct Had {
    rows: usize,
    batches: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut args = std::env::args().skip(1);
    if args.next().as_deref() != Some("get") {
        eprintln!("get -addr HOST:PORT (-ticket TEXT | -cmd TEXT | -path A,B) [-ca FILE] [-cert FILE -key FILE] [-bearer TOKEN] [-max-seconds N]");
        std::process::exit(2);
    }
    let mut flags = HashMap::new();
    while let (Some(name), Some(value)) = (args.next(), args.next()) {
        flags.insert(name.trim_start_matches('-').to_string(), value);
    }
    let begun = Instant::now();
    let seconds: u64 = flags.get("max-seconds").map_or(60, |text| text.parse().expect("-max-seconds"));
    let read = tokio::time::timeout(Duration::from_secs(seconds), get(&flags)).await;
    match read.unwrap_or_else(|_| Err("no end within -max-seconds".into())) {
        Ok(Had { rows, batches }) => {
            let line = json!({ "rows": rows, "batches": batches, "bytes": 0, "seconds": begun.elapsed().as_secs_f64() });
            println!("{line}");
        }
        Err(fault) => {
            println!("{}", json!({ "error": { "code": code_of(fault.as_ref()), "message": fault.to_string() } }));
            std::process::exit(1);
        }
    }
}

async fn get(flags: &HashMap<String, String>) -> Result<Had, Fault> {
    let file = |name: &str| flags.get(name).map(std::fs::read).transpose();
    let scheme = if flags.contains_key("ca") { "https" } else { "http" };
    let mut endpoint = Channel::from_shared(format!("{scheme}://{}", flags["addr"]))?;
    if let Some(ca) = file("ca")? {
        let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca));
        if let (Some(cert), Some(key)) = (file("cert")?, file("key")?) {
            tls = tls.identity(Identity::from_pem(cert, key));
        }
        endpoint = endpoint.tls_config(tls)?;
    }
    let mut client = FlightClient::new(endpoint.connect().await?);
    if let Some(token) = flags.get("bearer") {
        client.add_header("authorization", &format!("Bearer {token}"))?;
    }
    let tickets = match (flags.get("ticket"), flags.get("cmd"), flags.get("path")) {
        (Some(ticket), _, _) => vec![Ticket::new(ticket.clone().into_bytes())],
        (_, Some(cmd), _) => tickets_of(&mut client, FlightDescriptor::new_cmd(cmd.clone().into_bytes())).await?,
        (_, _, Some(path)) => {
            let parts = path.split(',').map(str::to_string).collect();
            tickets_of(&mut client, FlightDescriptor::new_path(parts)).await?
        }
        _ => return Err("-ticket, -cmd or -path is missing".into()),
    };
    let mut had = Had { rows: 0, batches: 0 };
    for ticket in tickets {
        let mut stream = client.do_get(ticket).await?;
        while let Some(batch) = stream.try_next().await? {
            had.rows += batch.num_rows();
            had.batches += 1;
        }
    }
    Ok(had)
}

async fn tickets_of(client: &mut FlightClient, descriptor: FlightDescriptor) -> Result<Vec<Ticket>, Fault> {
    let info = client.get_flight_info(descriptor).await?;
    Ok(info.endpoint.into_iter().filter_map(|endpoint| endpoint.ticket).collect())
}

/// The name of the status, or of what failed before there was one.
fn code_of(fault: &(dyn std::error::Error + 'static)) -> String {
    match fault.downcast_ref::<FlightError>() {
        Some(FlightError::Tonic(status)) => format!("{:?}", status.code()),
        Some(_) => "Flight".to_string(),
        None => "Transport".to_string(),
    }
}
