// SPDX-License-Identifier: Apache-2.0
#include "registry/etcd3/message_bytes.h"

#include <limits>

namespace flannel {

grpc::ByteBuffer to_bytes(const google::protobuf::MessageLite& message) {
  const grpc::Slice slice(message.SerializeAsString());
  return grpc::ByteBuffer(&slice, 1);
}

Result<void> parse_bytes(const grpc::ByteBuffer& bytes, google::protobuf::MessageLite& into) {
  grpc::Slice slice;
  const bool whole = bytes.Length() == 0 || bytes.DumpToSingleSlice(&slice).ok();
  if (!whole || slice.size() > std::numeric_limits<int>::max() ||
      !into.ParseFromArray(slice.begin(), static_cast<int>(slice.size()))) {
    return fail(ErrorKind::unavailable,
                "etcd answered with bytes that are no " + into.GetTypeName());
  }
  return {};
}

}  // namespace flannel
