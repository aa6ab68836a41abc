// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "registry/etcd2/keys_api.h"
#include "registry/etcd2/keys_events.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static const flannel::StoreKeys keys = flannel::keys_below("/net");
  if (const auto answer = flannel::decode_keys_answer(text)) {
    if (answer->node.modified < 0) std::abort();
    (void)flannel::changes_of(*answer, keys);
    (void)flannel::snapshot_of(*answer, 1, keys);
  }
  (void)flannel::decode_keys_error(text);
  (void)flannel::knows_refresh(text);
  return 0;
}
