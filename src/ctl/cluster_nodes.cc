// SPDX-License-Identifier: Apache-2.0
#include "ctl/cluster_nodes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <map>
#include <utility>

#include "base/printable.h"
#include "core/record_limits.h"
#include "ctl/subnet_argument.h"

namespace flannel {
namespace {

constexpr std::size_t kShortId = 8;
constexpr std::size_t kShortestPrefix = 4;
constexpr std::size_t kIdDigits = 32;

using Nodes = std::vector<const ClusterNode*>;

std::optional<NodeRecord> read(const Record& record) {
  const auto subnet = decode_subnet_key(record.key);
  const auto attributes = decode_lease(record);
  if (!subnet || !attributes) return std::nullopt;
  return NodeRecord{record, {*subnet, *attributes}};
}

bool wrote_as_well(const ClusterNode& node, const LeaseAttributes& record) {
  return HostIdentity::writer_of(node.attributes()).ownership({{}, record}) == Ownership::node;
}

// Returns nullopt if the word is no beginning of a node id.
std::optional<std::string> id_prefix(const std::string& word) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  const bool fits = word.size() >= kShortestPrefix && word.size() <= kIdDigits &&
                    word.find_first_not_of(kDigits) == std::string::npos;
  return fits ? std::optional(word) : std::nullopt;
}

Nodes matching(std::span<const ClusterNode> nodes,
               const std::function<bool(const ClusterNode&)>& matches) {
  Nodes found;
  for (const ClusterNode& node : nodes) {
    if (matches(node)) found.push_back(&node);
  }
  return found;
}

// A record with exactly these subnets is preferred to those that have more.
Nodes with_subnets(std::span<const ClusterNode> nodes, const SubnetKey& subnets) {
  const auto any_record = [&](const auto& fits) {
    return matching(nodes, [&](const ClusterNode& node) {
      return std::ranges::any_of(
          node.records, [&](const NodeRecord& one) { return fits(one.lease.subnet, subnets); });
    });
  };
  Nodes exact = any_record(std::equal_to<SubnetKey>());
  return exact.empty() ? any_record(has_all) : exact;
}

Result<Nodes> named(std::span<const ClusterNode> nodes, const std::string& word) {
  if (const auto ip = IpAddress::parse(word)) {
    return matching(nodes, [&](const ClusterNode& node) { return node.has(*ip); });
  }
  if (const auto subnets = read_subnets(word)) return with_subnets(nodes, *subnets);
  if (const auto prefix = id_prefix(word)) {
    return matching(nodes, [&](const ClusterNode& node) {
      const auto id = node.id();
      return id && to_string(*id).starts_with(*prefix);
    });
  }
  return fail(ErrorKind::invalid,
              fmt::format("{} is no node id, no public IP and no subnet", word_or_quoted(word)));
}

}  // namespace

std::optional<NodeId> ClusterNode::id() const {
  const auto& tag = attributes().node;
  return tag ? std::optional(tag->id) : std::nullopt;
}

bool ClusterNode::has(const IpAddress& ip) const {
  return std::ranges::any_of(records, [&](const NodeRecord& one) {
    return one.lease.attributes.public_ips().at(ip.family) == ip;
  });
}

std::vector<IpPrefix> ClusterNode::subnets() const {
  std::vector<IpPrefix> all;
  for (const NodeRecord& one : records) {
    for (const Family family : kFamilies) {
      const auto& subnet = one.lease.subnet.at(family);
      if (subnet && std::ranges::count(all, *subnet) == 0) all.push_back(*subnet);
    }
  }
  return all;
}

std::string to_string(std::span<const IpPrefix> subnets) {
  std::string text;
  for (const IpPrefix& subnet : subnets)
    text.append(text.empty() ? "" : ",").append(to_string(subnet));
  return text;
}

std::vector<ClusterNode> nodes_of(const Snapshot& snapshot) {
  std::vector<NodeRecord> readable;
  for (const Record& record : snapshot.records) {
    if (auto one = read(record)) readable.push_back(*std::move(one));
  }
  // All are of one list, so their revisions can be compared.
  std::ranges::sort(readable, std::greater(), [](const NodeRecord& one) {
    return std::pair(one.record.revision, one.record.key);
  });
  std::vector<ClusterNode> nodes;
  std::multimap<NodeId, std::size_t> places;  // the hosts of each node id
  for (NodeRecord& one : readable) {
    const LeaseAttributes& attributes = one.lease.attributes;
    if (attributes.node) {
      const auto [first, last] = places.equal_range(attributes.node->id);
      const auto same = std::find_if(first, last, [&](const auto& place) {
        return wrote_as_well(nodes[place.second], attributes);
      });
      if (same != last) {
        nodes[same->second].records.push_back(std::move(one));
        continue;
      }
      places.emplace(attributes.node->id, nodes.size());
    }
    nodes.push_back({.records = {std::move(one)}});
  }
  std::ranges::sort(nodes, {}, [](const ClusterNode& node) { return node.present().lease.subnet; });
  return nodes;
}

std::size_t short_id_length(std::span<const ClusterNode> nodes) {
  std::vector<std::string> ids;
  for (const ClusterNode& node : nodes) {
    if (const auto id = node.id()) ids.push_back(to_string(*id));
  }
  std::ranges::sort(ids);
  const auto repeated = std::ranges::unique(ids);
  ids.erase(repeated.begin(), repeated.end());
  std::size_t length = kShortId;
  for (std::size_t i = 1; i < ids.size(); ++i) {
    const auto differ = std::ranges::mismatch(ids[i - 1], ids[i]).in1 - ids[i - 1].begin();
    length = std::max(length, static_cast<std::size_t>(differ) + 1);
  }
  return length;
}

Result<const ClusterNode*> find_node(std::span<const ClusterNode> nodes, const std::string& word) {
  const Nodes found = TRY(named(nodes, word));
  if (found.size() == 1) return found.front();
  if (found.empty()) {
    return fail(ErrorKind::not_found,
                fmt::format("no host has {}; `flannelctl node list` lists all", word));
  }
  std::vector<std::string> names;
  for (const ClusterNode* one : found) {
    names.push_back(fmt::format("{} with {}", to_string(one->attributes().public_ips()),
                                to_string(one->subnets())));
  }
  return fail(ErrorKind::conflict, fmt::format("{} names {} hosts, so name one by its subnet: {}",
                                               word, found.size(), fmt::join(names, "; ")));
}

}  // namespace flannel
