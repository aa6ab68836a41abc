// SPDX-License-Identifier: Apache-2.0
// Classifies failed calls to etcd.
#pragma once

#include <grpcpp/support/status.h>

#include "base/result.h"

namespace flannel {

// Converts a gRPC status. ErrorKind::unavailable includes every failure after which it is unknown
// whether the call took effect: a deadline, a broken connection, an error that etcd does not name.
// not_found: the lease, or the revision asked for (compacted). exists: the lease id is in use.
Error to_error(const grpc::Status& status);

// True if etcd itself returned the status, and not a library on the way.
bool is_of_etcd(const grpc::Status& status);

// True if no answer came although the connection is established.
bool is_silence(const grpc::Status& status);

// True if the token is missing or no longer valid: the caller should authenticate and try again.
bool wants_authentication(const grpc::Status& status);

// True if the answer was longer than EtcdChannels::kLargestMessage: smaller parts may be read.
bool is_too_long(const Error& error);

// True if etcd refused Authenticate because authentication is not enabled.
bool says_authentication_is_off(const Error& error);

}  // namespace flannel
