// SPDX-License-Identifier: Apache-2.0
// Converts between protobuf messages and the buffers of gRPC. The header that gRPC has for this
// requires the full protobuf library, but we link the lite one.
#pragma once

#include <google/protobuf/message_lite.h>
#include <grpcpp/support/byte_buffer.h>

#include "base/result.h"

namespace flannel {

grpc::ByteBuffer to_bytes(const google::protobuf::MessageLite& message);
// ErrorKind::unavailable: the bytes are no such message, so it is unknown what the server did.
Result<void> parse_bytes(const grpc::ByteBuffer& bytes, google::protobuf::MessageLite& into);

}  // namespace flannel
