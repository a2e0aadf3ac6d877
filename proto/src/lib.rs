//! Service contracts between the roles, with their gRPC adapters.
