//! Keys of request metadata.

/// Makes a change safe to repeat.
pub const REQUEST_ID: &str = "mini-request-id";
/// Id of the manager that passed a request on. Believed from managers alone.
pub const FORWARDED_BY: &str = "mini-forwarded-by";
/// Id of the node that asked the manager which passed the request on; empty for a person on that manager's socket.
pub const CALLER_NODE: &str = "mini-caller-node";
/// Role of that node, as in certificates.
pub const CALLER_ROLE: &str = "mini-caller-role";
/// Address that the caller came from.
pub const CALLER_ADDRESS: &str = "mini-caller-address";
