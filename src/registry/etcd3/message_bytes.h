// SPDX-License-Identifier: Apache-2.0
// Between protobuf messages and gRPC's buffers. Own few lines, because gRPC's header for it wants
// the full protobuf library and we link the lite one.
#pragma once

#include <google/protobuf/message_lite.h>
#include <grpcpp/support/byte_buffer.h>

#include "base/result.h"

namespace flannel {

grpc::ByteBuffer to_bytes(const google::protobuf::MessageLite& message);
// ErrorKind::unavailable if the bytes are no such message: what the server did is unknown then.
Result<void> parse_bytes(const grpc::ByteBuffer& bytes, google::protobuf::MessageLite& into);

}  // namespace flannel
