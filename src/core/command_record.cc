// SPDX-License-Identifier: Apache-2.0
#include "core/command_record.h"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/json_text.h"

namespace flannel {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kCommandRecordVersion = 1;

Json to_json(const BackendCommands& commands) {
  return {{"PreStartupCommand", commands.before_lease},
          {"PostStartupCommand", commands.after_lease},
          {"SubnetAddCommand", commands.add},
          {"SubnetRemoveCommand", commands.remove},
          {"ShutdownCommand", commands.shutdown}};
}

// Returns the member, which is a text; nullptr: there is none.
const std::string* text_in(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() ? nullptr : found->get_ptr<const std::string*>();
}

Failure damaged() {
  return fail(ErrorKind::invalid, "it is damaged");
}

Result<std::string> text_of(const Json& object, const char* key) {
  const std::string* text = object.is_object() ? text_in(object, key) : nullptr;
  if (text == nullptr) return damaged();
  return *text;
}

Result<std::vector<std::string>> texts_of(const Json& object, const char* key) {
  std::vector<std::string> texts;
  const auto list = object.is_object() ? object.find(key) : object.end();
  if (!object.is_object() || list == object.end() || !list->is_array()) return damaged();
  for (const Json& one : *list) {
    const auto* text = one.get_ptr<const std::string*>();
    if (text == nullptr || text->find('=') == std::string::npos) return damaged();
    texts.push_back(*text);
  }
  return texts;
}

Result<BackendCommands> commands_of(const Json& object) {
  BackendCommands commands;
  commands.before_lease = TRY(text_of(object, "PreStartupCommand"));
  commands.after_lease = TRY(text_of(object, "PostStartupCommand"));
  commands.add = TRY(text_of(object, "SubnetAddCommand"));
  commands.remove = TRY(text_of(object, "SubnetRemoveCommand"));
  commands.shutdown = TRY(text_of(object, "ShutdownCommand"));
  return commands;
}

Result<std::chrono::seconds> timeout_of(const Json& object) {
  const auto found = object.find("CommandTimeout");
  if (found == object.end() || !found->is_number_unsigned()) return damaged();
  const auto seconds = found->get<std::uint64_t>();
  if (seconds < 1 || seconds > static_cast<std::uint64_t>(kLongestCommandTimeout.count())) {
    return damaged();
  }
  return std::chrono::seconds(seconds);
}

Result<CommandRecord::Peer> peer_of(const Json& object) {
  CommandRecord::Peer peer;
  const std::string subnet = TRY(text_of(object, "Subnet"));
  peer.values.subnet = TRY(decode_subnet_key(subnet));
  peer.values.variables = TRY(texts_of(object, "Variables"));
  peer.values.input = TRY(text_of(object, "Input"));
  const auto done = object.find("Done");
  if (done == object.end() || !done->is_boolean()) return damaged();
  peer.is_done = done->get<bool>();
  return peer;
}

}  // namespace

std::string encode_command_record(const CommandRecord& record) {
  Json peers = Json::array();
  for (const CommandRecord::Peer& peer : record.peers) {
    peers.push_back({{"Subnet", encode_subnet_key(peer.values.subnet)},
                     {"Variables", peer.values.variables},
                     {"Input", peer.values.input},
                     {"Done", peer.is_done}});
  }
  return json_text({{"Version", kCommandRecordVersion},
                    {"Where", record.where},
                    {"Commands", to_json(record.commands)},
                    {"CommandTimeout", record.deadline.count()},
                    {"Output", record.output},
                    {"Variables", record.variables},
                    {"Peers", std::move(peers)}});
}

Result<CommandRecord> decode_command_record(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return damaged();
  const auto version = json.find("Version");
  if (version == json.end() || *version != kCommandRecordVersion) {
    return fail(ErrorKind::unsupported, "another release wrote it");
  }
  const auto commands = json.find("Commands");
  const auto peers = json.find("Peers");
  if (commands == json.end() || peers == json.end() || !peers->is_array()) return damaged();
  CommandRecord record;
  record.where = TRY(text_of(json, "Where"));
  record.commands = TRY(commands_of(*commands));
  record.deadline = TRY(timeout_of(json));
  record.output = TRY(text_of(json, "Output"));
  record.variables = TRY(texts_of(json, "Variables"));
  for (const Json& peer : *peers)
    record.peers.push_back(TRY(peer_of(peer)));
  return record;
}

}  // namespace flannel
