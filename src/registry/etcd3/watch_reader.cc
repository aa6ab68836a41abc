// SPDX-License-Identifier: Apache-2.0
#include "registry/etcd3/watch_reader.h"

#include <algorithm>
#include <utility>

#include "core/record_limits.h"
#include "registry/etcd3/snapshot_call.h"

namespace flannel {

namespace pb = etcdserverpb;

pb::WatchRequest WatchReader::request() const {
  pb::WatchRequest request;
  pb::WatchCreateRequest* create = request.mutable_create_request();
  create->set_key(range_ == WatchRange::subnets ? keys_.subnets : keys_.config);
  std::string end = keys_.subnets;
  end.back() = '0';  // the character after '/'
  if (range_ != WatchRange::config) create->set_range_end(end);
  create->set_start_revision(position_ + 1);
  create->set_progress_notify(true);
  create->set_fragment(true);
  return request;
}

WatchMessage WatchReader::read(const pb::WatchResponse& response) {
  // Another cluster answers at this address, so its revisions have another meaning.
  const std::uint64_t cluster = response.header().cluster_id();
  if (cluster_ != 0 && cluster != 0 && cluster != cluster_) return WatchPositionLost{};
  if (response.compact_revision() != 0) return WatchPositionLost{};
  if (response.canceled()) {
    const std::string& reason = response.cancel_reason();
    const bool denied = reason.find("permission denied") != std::string::npos;
    return WatchCancelled{{denied ? ErrorKind::denied : ErrorKind::unavailable,
                           reason.empty() ? "etcd cancelled the watch" : reason}};
  }
  if (response.created()) return WatchCreated{response.header().revision()};

  for (const pb::Event& event : response.events())
    collect(event);
  if (response.fragment()) return WatchNothing{};
  // The header of a message without events says up to which revision there were none.
  const Revision reached = collected_.revision != 0      ? collected_.revision
                           : response.events_size() == 0 ? response.header().revision()
                                                         : 0;
  WatchChanges changes = std::exchange(collected_, {});
  if (reached <= position_) return WatchNothing{};
  position_ = changes.revision = reached;
  return changes;
}

void WatchReader::collect(const pb::Event& event) {
  const pb::KeyValue& kv = event.kv();
  if (kv.mod_revision() <= position_) return;
  collected_.revision = std::max(collected_.revision, kv.mod_revision());
  const bool gone = event.type() == pb::Event::DELETE;
  if (kv.key() == keys_.config) {
    if (gone) {
      collected_.changes.emplace_back(ConfigGone{kv.mod_revision()});
    } else {
      collected_.changes.emplace_back(ConfigPut{{kv.value(), kv.mod_revision()}});
    }
  } else if (const auto key = keys_.below_subnets(kv.key())) {
    if (gone) {
      collected_.changes.emplace_back(
          RecordGone{key_within_limits(std::string(*key)), kv.mod_revision()});
    } else {
      collected_.changes.emplace_back(RecordPut{to_record(keys_, kv)});
    }
  }
}

}  // namespace flannel
