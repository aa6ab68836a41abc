// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "registry/consul/consul_client.h"
#include "registry/consul/kv_api.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  static const flannel::StoreKeys keys("net");
  if (const auto list = flannel::snapshot_of({200, 7, text}, keys)) {
    for (const flannel::Record& record : list->records) {
      if (record.revision < 0 || record.key.empty()) std::abort();
    }
  }
  (void)flannel::decode_kv_keys(text);
  (void)flannel::decode_transaction(text);
  (void)flannel::decode_session_id(text);
  (void)flannel::decode_session_ttl(text);
  (void)flannel::decode_session_ttls(text);
  return 0;
}
