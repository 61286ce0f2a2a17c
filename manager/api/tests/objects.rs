//! The objects of the proto files are those of the model: every field of one is read and written by the other.

use prost::Message;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value,
};

fn full(message: &MessageDescriptor) -> DynamicMessage {
    let mut filled = DynamicMessage::new(message.clone());
    for field in message.fields() {
        let value = if field.is_map() {
            let Kind::Message(entry) = field.kind() else {
                unreachable!("a map's entry is a message")
            };
            Value::Map(
                [(
                    MapKey::String("key".into()),
                    scalar(&entry.map_entry_value_field()),
                )]
                .into(),
            )
        } else if field.is_list() {
            Value::List(vec![scalar(&field), scalar(&field)])
        } else {
            scalar(&field)
        };
        filled.set_field(&field, value);
    }
    filled
}

/// A value that is not the default: the default is not written.
fn scalar(field: &FieldDescriptor) -> Value {
    match field.kind() {
        Kind::Message(message) => Value::Message(full(&message)),
        Kind::Enum(kind) => Value::EnumNumber(
            kind.values()
                .map(|value| value.number())
                .max()
                .expect("a value"),
        ),
        Kind::String => Value::String(format!("field {}", field.number())),
        Kind::Bytes => Value::Bytes(vec![1, 2, 3].into()),
        Kind::Bool => Value::Bool(true),
        Kind::Uint32 => Value::U32(field.number() + 100),
        Kind::Uint64 => Value::U64(u64::from(field.number()) + 100),
        Kind::Int32 => Value::I32(i32::try_from(field.number()).expect("small") + 100),
        Kind::Int64 => Value::I64(i64::from(field.number()) + 100),
        Kind::Double => Value::F64(f64::from(field.number()) + 0.5),
        other => panic!(
            "{} is of a kind that no object has yet: {other:?}",
            field.full_name()
        ),
    }
}

fn check<T: Message + Default>(pool: &DescriptorPool, name: &str) {
    let descriptor = pool
        .get_message_by_name(&format!("mini.objects.v1.{name}"))
        .expect("a message");
    let wanted = full(&descriptor);
    let object = T::decode(wanted.encode_to_vec().as_slice()).expect("the model reads it");
    let written = DynamicMessage::decode(descriptor, object.encode_to_vec().as_slice())
        .expect("the proto file reads it");
    assert_eq!(written, wanted, "{name}");
    assert_eq!(written.unknown_fields().count(), 0, "{name}");
}

#[test]
fn proto_files_and_model_say_the_same() {
    let files =
        protox::compile(["proto/objects.proto"], ["proto"]).expect("the proto files compile");
    let pool = DescriptorPool::from_file_descriptor_set(files).expect("descriptors");
    check::<model::Cluster>(&pool, "Cluster");
    check::<model::Node>(&pool, "Node");
    check::<model::Task>(&pool, "Task");
    check::<model::Config>(&pool, "Config");
    check::<model::Service>(&pool, "Service");
    check::<model::Revision>(&pool, "Revision");
    check::<model::Stack>(&pool, "Stack");
    check::<model::Deployment>(&pool, "Deployment");
    check::<model::Secret>(&pool, "Secret");
    check::<model::Network>(&pool, "Network");
    let known = |kind: &str, number: i32| match kind {
        "NodeRole" => model::NodeRole::is_valid(number),
        "Availability" => model::Availability::is_valid(number),
        "NodeState" => model::NodeState::is_valid(number),
        "TaskState" => model::TaskState::is_valid(number),
        "Health" => model::Health::is_valid(number),
        "RestartCondition" => model::RestartCondition::is_valid(number),
        "FailureAction" => model::FailureAction::is_valid(number),
        "UpdateOrder" => model::UpdateOrder::is_valid(number),
        "EndpointMode" => model::EndpointMode::is_valid(number),
        "PortProtocol" => model::PortProtocol::is_valid(number),
        "PublishMode" => model::PublishMode::is_valid(number),
        "DependencyCondition" => model::DependencyCondition::is_valid(number),
        "RolloutState" => model::RolloutState::is_valid(number),
        "MountKind" => model::MountKind::is_valid(number),
        other => panic!("the enum {other} is not in this table"),
    };
    for kind in pool.all_enums() {
        for value in kind.values() {
            assert!(
                known(kind.name(), value.number()),
                "{} {}",
                kind.name(),
                value.number()
            );
        }
    }
}
