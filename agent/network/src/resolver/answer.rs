//! A question and a zone become an answer, or "pass it on". Pure.

use std::net::Ipv4Addr;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, PTR};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::zone::Zone;

/// Seconds that a client may keep an answer: endpoints come and go.
pub(crate) const TTL: u32 = 2;

/// What becomes of a question.
#[derive(Debug, Clone)]
pub(crate) enum Verdict {
    /// This is the answer.
    Answer(Box<Message>),
    /// The host's resolvers know, or nobody.
    Forward,
}

/// Answers a question out of the zone. `turn` says which of several addresses comes first.
pub(crate) fn answer(question: &Message, zone: &Zone, turn: usize) -> Verdict {
    if question.metadata.message_type != MessageType::Query {
        return failure(question, ResponseCode::FormErr);
    }
    if question.metadata.op_code != OpCode::Query {
        return failure(question, ResponseCode::NotImp);
    }
    let [query] = question.queries.as_slice() else {
        return failure(question, ResponseCode::FormErr);
    };
    let name = query
        .name()
        .to_ascii()
        .trim_end_matches('.')
        .to_ascii_lowercase();
    if query.query_class() == DNSClass::IN {
        if let Some(addresses) = zone.names.get(&name) {
            let addresses: Vec<Ipv4Addr> = addresses.iter().copied().collect();
            return known(question, query, &addresses, turn);
        }
        if let Some(address) = reverse(&name) {
            if let Some(own) = zone.addresses.get(&address) {
                return pointer(question, query, own);
            }
            if zone.subnets.iter().any(|subnet| subnet.contains(&address)) {
                return failure(question, ResponseCode::NXDomain);
            }
        }
    }
    // On a network without a way out, names of the outside would be one.
    if zone.way_out {
        Verdict::Forward
    } else {
        failure(question, ResponseCode::Refused)
    }
}

/// A response that says only why there is none.
pub(crate) fn failure(question: &Message, code: ResponseCode) -> Verdict {
    let mut response = respond(question);
    response.metadata.authoritative = false;
    response.metadata.response_code = code;
    Verdict::Answer(Box::new(response))
}

/// A name of ours: its addresses, and for any other type the word that there is none (NODATA, RFC 2308).
fn known(question: &Message, query: &Query, addresses: &[Ipv4Addr], turn: usize) -> Verdict {
    let mut response = respond(question);
    if matches!(query.query_type(), RecordType::A | RecordType::ANY) {
        let count = addresses.len();
        for step in 0..count {
            let address = addresses[(turn + step) % count];
            response.add_answer(Record::from_rdata(
                query.name().clone(),
                TTL,
                RData::A(A(address)),
            ));
        }
    }
    Verdict::Answer(Box::new(response))
}

fn pointer(question: &Message, query: &Query, own: &str) -> Verdict {
    let mut response = respond(question);
    if matches!(query.query_type(), RecordType::PTR | RecordType::ANY)
        && let Ok(own) = Name::from_ascii(format!("{own}."))
    {
        response.add_answer(Record::from_rdata(
            query.name().clone(),
            TTL,
            RData::PTR(PTR(own)),
        ));
    }
    Verdict::Answer(Box::new(response))
}

fn respond(question: &Message) -> Message {
    let mut response = Message::response(question.metadata.id, question.metadata.op_code);
    response.metadata.recursion_desired = question.metadata.recursion_desired;
    response.metadata.recursion_available = true;
    response.metadata.authoritative = true;
    response.add_queries(question.queries.iter().cloned());
    if question.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(1232);
        response.set_edns(edns);
    }
    response
}

/// The address in `4.3.2.1.in-addr.arpa`.
fn reverse(name: &str) -> Option<Ipv4Addr> {
    let octets: Vec<u8> = name
        .strip_suffix(".in-addr.arpa")?
        .split('.')
        .map(str::parse)
        .collect::<Result<_, _>>()
        .ok()?;
    let [d, c, b, a] = octets.try_into().ok()?;
    Some(Ipv4Addr::new(a, b, c, d))
}

/// The bytes of a response, cut down to the truncation mark where it would not fit into `limit`.
pub(crate) fn pack(response: &Message, limit: usize) -> Option<Vec<u8>> {
    let bytes = response.to_vec().ok()?;
    if bytes.len() <= limit {
        Some(bytes)
    } else {
        response.truncate().to_vec().ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::zone::tests::directory;
    use super::*;

    fn question(name: &str, kind: RecordType) -> Message {
        let mut message = Message::query();
        message.metadata.id = 77;
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
        message
    }

    fn told(question: &Message, client: &str, turn: usize) -> String {
        let client: Ipv4Addr = client.parse().unwrap();
        let [a, b, c, _] = client.octets();
        let zone = directory().zone(Ipv4Addr::new(a, b, c, 1), client);
        match answer(question, &zone, turn) {
            Verdict::Forward => "forward".to_owned(),
            Verdict::Answer(message) => {
                let bytes = message.to_vec().unwrap();
                let message = Message::from_vec(&bytes).unwrap();
                assert_eq!(message.metadata.id, 77);
                assert!(message.answers.iter().all(|record| record.ttl <= 5));
                let data: Vec<String> = message
                    .answers
                    .iter()
                    .map(|record| record.data.to_string())
                    .collect();
                format!("{:?} {}", message.metadata.response_code, data.join(" "))
                    .trim()
                    .to_owned()
            }
        }
    }

    #[test]
    fn questions_and_answers() {
        let check = |client: &str, name: &str, kind: RecordType, turn: usize, expected: &str| {
            assert_eq!(
                told(&question(name, kind), client, turn),
                expected,
                "{client} asks for {kind} {name}"
            );
        };
        use RecordType::{A, AAAA, MX, PTR};
        check("10.1.0.2", "db.", A, 0, "NoError 10.1.0.2");
        check("10.1.0.2", "DB.", A, 0, "NoError 10.1.0.2");
        check("10.1.0.2", "redis.", A, 0, "NoError 10.1.0.2");
        check("10.1.0.2", "db.red.", A, 0, "NoError 10.1.0.2");
        check("10.1.0.2", "web.", A, 0, "NoError 10.1.0.3 10.1.0.4");
        check("10.1.0.2", "web.", A, 1, "NoError 10.1.0.4 10.1.0.3");
        check(
            "10.1.0.2",
            "web.",
            A,
            usize::MAX - 2,
            "NoError 10.1.0.4 10.1.0.3",
        );
        check("10.1.0.2", "db.", AAAA, 0, "NoError");
        check("10.1.0.2", "db.", MX, 0, "NoError");
        check("10.1.0.2", "lone.", A, 0, "forward");
        check("10.1.0.4", "lone.", A, 0, "NoError 10.2.0.3");
        check("10.1.0.4", "web2.blue.", A, 0, "NoError 10.2.0.2");
        check("10.1.0.2", "example.com.", A, 0, "forward");
        check("10.1.0.2", "plain.", A, 0, "forward");
        check("10.1.0.2", ".", A, 0, "forward");
        check(
            "10.1.0.2",
            "3.0.1.10.in-addr.arpa.",
            PTR,
            0,
            "NoError web1.red.",
        );
        check("10.1.0.2", "99.0.1.10.in-addr.arpa.", PTR, 0, "NXDomain");
        check("10.1.0.2", "3.0.2.10.in-addr.arpa.", PTR, 0, "forward");
        check("10.1.0.2", "1.in-addr.arpa.", PTR, 0, "forward");
        check("10.3.0.2", "safe.", A, 0, "NoError 10.3.0.2");
        check("10.3.0.2", "example.com.", A, 0, "Refused");

        let mut two = question("db.", A);
        two.add_query(Query::query(Name::from_ascii("web.").unwrap(), A));
        assert_eq!(told(&two, "10.1.0.2", 0), "FormErr");
        let mut status = question("db.", A);
        status.metadata.op_code = OpCode::Status;
        assert_eq!(told(&status, "10.1.0.2", 0), "NotImp");
        let mut chaos = question("db.", A);
        chaos.queries[0].set_query_class(DNSClass::CH);
        assert_eq!(told(&chaos, "10.1.0.2", 0), "forward");
    }

    #[test]
    fn what_does_not_fit_is_marked() {
        let asked = question("many.", RecordType::A);
        let mut zone = Zone::default();
        zone.names.insert(
            "many".to_owned(),
            (0..100).map(|n| Ipv4Addr::new(10, 0, 0, n)).collect(),
        );
        let Verdict::Answer(full) = answer(&asked, &zone, 0) else {
            panic!()
        };
        let cut = Message::from_vec(&pack(&full, 512).unwrap()).unwrap();
        assert!(cut.metadata.truncation && cut.answers.is_empty());
        let whole = Message::from_vec(&pack(&full, 4096).unwrap()).unwrap();
        assert!(!whole.metadata.truncation && whole.answers.len() == 100);
    }

    proptest! {
        #[test]
        fn no_bytes_bring_it_down(bytes: Vec<u8>) {
            if let Ok(message) = Message::from_vec(&bytes) {
                answer(&message, &directory().zone(Ipv4Addr::new(10, 1, 0, 1), Ipv4Addr::new(10, 1, 0, 2)), 3);
            }
        }
    }
}
