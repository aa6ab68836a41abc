// SPDX-License-Identifier: Apache-2.0
// Messages of an etcd, or of what listens at its address: each is two bytes of length and its
// bytes. Whatever they are, the position only grows, and what is reported lies beyond it.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/lease_table.h"
#include "fuzz/expect.h"
#include "registry/etcd3/snapshot_call.h"
#include "registry/etcd3/watch_reader.h"

namespace {

void read_as_answer(std::string_view bytes, const flannel::StoreKeys& keys) {
  etcdserverpb::TxnResponse answer;
  if (!answer.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  flannel::Snapshot all;
  for (const auto& response : answer.responses()) {
    for (const auto& kv : response.response_range().kvs()) {
      if (keys.below_subnets(kv.key())) all.records.push_back(flannel::to_record(keys, kv));
    }
  }
  flannel::LeaseTable table;
  table.apply_snapshot(all);
  FUZZ_EXPECT(table.leases().size() + table.quarantined().size() <= all.records.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const flannel::StoreKeys keys("/net");
  flannel::WatchReader reader(keys, flannel::WatchRange::all, 5, 7);
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  while (rest.size() >= 2) {
    const auto length = static_cast<std::size_t>(static_cast<std::uint8_t>(rest[0]) << 8 |
                                                 static_cast<std::uint8_t>(rest[1]));
    const std::string_view bytes = rest.substr(2, length);
    rest.remove_prefix(2 + bytes.size());
    read_as_answer(bytes, keys);
    etcdserverpb::WatchResponse response;
    if (!response.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) continue;
    const flannel::Revision before = reader.position();
    const auto message = reader.read(response);
    FUZZ_EXPECT(reader.position() >= before);
    if (const auto* changes = std::get_if<flannel::WatchChanges>(&message)) {
      FUZZ_EXPECT(changes->revision > before);
    }
  }
  return 0;
}
