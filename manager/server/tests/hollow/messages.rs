//! What is told at once may be more than gRPC's usual four megabytes.

use api::v1::*;
use model::{ConfigSpec, FileReference};

use crate::place::Place;
use crate::services::{create, spec};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_and_a_person_are_told_of_all_that_there_is() {
    const CONFIGS: usize = 11;
    const BYTES: usize = 450 << 10;
    let mut place = Place::new(&["w1"]).await;
    let mut web = spec("web", 1);
    for number in 0..CONFIGS {
        let name = format!("large{number}");
        let config = ConfigSpec {
            name: name.clone(),
            data: vec![b'x'; BYTES].into(),
            ..ConfigSpec::default()
        };
        let asked = CreateConfigRequest { spec: Some(config) };
        place.control.create_config(asked).await.expect("created");
        web.task.container.configs.push(FileReference {
            source: name.clone(),
            target: format!("/{name}"),
            ..FileReference::default()
        });
    }
    create(&mut place, web).await;
    // The node comes when everything is there: its first message has it all.
    let node = place.worker("w1").await;
    place.running("web", 1).await;
    {
        let told = node.told();
        let bytes: usize = told.configs.values().map(|it| it.spec.data.len()).sum();
        assert_eq!((told.configs.len(), bytes), (CONFIGS, CONFIGS * BYTES));
        assert!(bytes > 4 << 20);
    }
    let listed = place.control.list_configs(ListConfigsRequest {}).await;
    assert_eq!(listed.expect("listed").into_inner().configs.len(), CONFIGS);
}
