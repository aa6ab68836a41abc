// SPDX-License-Identifier: Apache-2.0
// What a failed call to etcd means to the caller.
#pragma once

#include <grpcpp/support/status.h>

#include "base/result.h"

namespace flannel {

// ErrorKind::unavailable also stands for every failure after which nobody knows whether the call
// was carried out: deadline, broken connection, an error that etcd does not name.
// not_found: the lease, or the revision asked for (compacted). exists: the lease id is in use.
Error to_error(const grpc::Status& status);

// etcd gave it itself, and no library on the way.
bool is_of_etcd(const grpc::Status& status);

// Nobody answered, on a connection that stands.
bool is_silence(const grpc::Status& status);

// The token is missing, too old or from before the users changed: authenticate and try again.
bool wants_authentication(const grpc::Status& status);

// The answer was longer than EtcdChannels::kLargestMessage: in smaller parts it may be had.
bool is_too_long(const Error& error);

// Authenticate was asked of an etcd that has no authentication switched on.
bool authentication_is_off(const Error& error);

}  // namespace flannel
