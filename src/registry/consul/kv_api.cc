// SPDX-License-Identifier: Apache-2.0
#include "registry/consul/kv_api.h"

#include <openssl/evp.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/parse.h"
#include "http/target.h"
#include "registry/json_members.h"

namespace flannel {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kWrong = "an answer is not what Consul's API says";

Failure bad(std::string_view what) {
  return Failure(Error{ErrorKind::invalid, std::string(what)}.during(kWrong));
}

std::string to_base64(std::string_view bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

// Decodes as many groups of four letters as are complete, since the text may have been cut.
Result<std::string> from_base64(std::string_view text) {
  text = text.substr(0, text.size() / 4 * 4);
  std::string bytes(text.size() / 4 * 3, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()),
                                   static_cast<int>(text.size()));
  if (size < 0) return bad("a value is not base64");
  // OpenSSL counts the padding as bytes.
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  bytes.resize(static_cast<std::size_t>(size) - padding);
  return bytes;
}

// Consul writes null for an empty value.
Result<std::string> text_or_null(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found != object.end() && found->is_null()) return std::string();
  return TRY_DURING(text_member(object, name), kWrong);
}

Result<KvEntry> decode_entry(const Json& json) {
  if (!json.is_object()) return bad("an entry is no object");
  KvEntry entry;
  entry.key = TRY(text_or_null(json, "Key"));
  const std::string value = TRY(text_or_null(json, "Value"));
  entry.value = TRY(from_base64(value));
  entry.created = TRY_DURING(index_member(json, "CreateIndex"), kWrong);
  entry.modified = TRY_DURING(index_member(json, "ModifyIndex"), kWrong);
  entry.session = TRY(text_or_null(json, "Session"));
  return entry;
}

// Returns the TTL of a session; nullopt: it is no number of seconds.
Result<std::optional<std::chrono::seconds>> session_ttl(const Json& session) {
  std::string ttl = TRY(text_or_null(session, "TTL"));
  if (!ttl.ends_with('s')) return std::nullopt;
  ttl.pop_back();
  const auto count = parse_decimal<std::uint32_t>(ttl);
  if (!count) return std::nullopt;
  return std::chrono::seconds(*count);
}

// Replaces invalid UTF-8, at which nlohmann throws otherwise. Only names can contain it, because
// values are encoded as base64.
std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

const char* name_of(KvOperation::Verb verb) {
  switch (verb) {
    case KvOperation::Verb::get:
      return "get";
    case KvOperation::Verb::cas:
      return "cas";
    case KvOperation::Verb::delete_cas:
      return "delete-cas";
    case KvOperation::Verb::check_index:
      return "check-index";
    case KvOperation::Verb::lock:
      return "lock";
    case KvOperation::Verb::unlock:
      return "unlock";
  }
  return "";
}

std::string kv_folder(std::string_view prefix) {
  std::string path = "/v1/kv/";
  for (const std::string_view part : split(prefix, '/')) {
    if (!part.empty()) path += percent_encode(part) + "/";
  }
  return path;
}

}  // namespace

Result<std::vector<KvEntry>> decode_kv_list(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_array()) return bad("a list is no array");
  std::vector<KvEntry> entries;
  entries.reserve(json.size());
  for (const Json& one : json)
    entries.push_back(TRY(decode_entry(one)));
  std::ranges::sort(entries, {}, &KvEntry::key);
  return entries;
}

std::string kv_list_path(std::string_view prefix) {
  return kv_folder(prefix) + "?recurse";
}

std::string kv_keys_path(std::string_view prefix) {
  return kv_folder(prefix) + "?keys";
}

Result<std::vector<std::string>> decode_kv_keys(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_array()) return bad("a list of keys is no array");
  std::vector<std::string> keys;
  for (const Json& key : json) {
    if (!key.is_string()) return bad("a key is no string");
    keys.push_back(key.get<std::string>());
  }
  return keys;
}

std::string encode_transaction(const std::vector<KvOperation>& operations) {
  Json json = Json::array();
  for (const KvOperation& one : operations) {
    Json kv{{"Verb", name_of(one.verb)}, {"Key", one.key}};
    using enum KvOperation::Verb;
    const bool with_session = one.verb == lock || one.verb == unlock;
    if (with_session || one.verb == cas) kv["Value"] = to_base64(one.value);
    if (with_session) {
      kv["Session"] = one.session;
    } else if (one.verb != get) {
      kv["Index"] = one.index;
    }
    json.push_back({{"KV", std::move(kv)}});
  }
  return dump(json);
}

Result<KvTransaction> decode_transaction(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return bad("no JSON object");
  KvTransaction done;
  if (const auto errors = json.find("Errors"); errors != json.end() && errors->is_array()) {
    for (const Json& error : *errors) {
      if (!error.is_object()) return bad("an error is no object");
      done.why_not.push_back(TRY(text_or_null(error, "What")));
      done.denied =
          done.denied || done.why_not.back().find("Permission denied") != std::string::npos;
    }
  }
  if (const auto results = json.find("Results"); results != json.end() && results->is_array()) {
    for (const Json& result : *results) {
      if (!result.is_object() || !result.contains("KV")) return bad("a result has no KV");
      done.entries.push_back(TRY(decode_entry(result["KV"])));
    }
  }
  return done;
}

std::string encode_session(std::string_view name, std::string_view node, std::chrono::seconds ttl) {
  Json json{{"Name", std::string(name)},
            {"TTL", std::to_string(ttl.count()) + "s"},
            {"Behavior", "delete"},
            {"LockDelay", "0s"},
            {"NodeChecks", Json::array()}};
  if (!node.empty()) json["Node"] = std::string(node);
  return dump(json);
}

Result<std::string> decode_session_id(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return bad("no JSON object");
  std::string id = TRY(text_or_null(json, "ID"));
  if (id.empty()) return bad("a session has no ID");
  return id;
}

Result<std::chrono::seconds> decode_session_ttl(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_array() || json.empty() || !json[0].is_object()) return bad("no session");
  const auto ttl = TRY(session_ttl(json[0]));
  if (!ttl) return bad("TTL is no number of seconds");
  return *ttl;
}

Result<std::map<std::string, std::chrono::seconds>> decode_session_ttls(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_array()) return bad("a list is no array");
  std::map<std::string, std::chrono::seconds> ttls;
  for (const Json& session : json) {
    if (!session.is_object()) return bad("a session is no object");
    if (const auto ttl = TRY(session_ttl(session))) ttls[TRY(text_or_null(session, "ID"))] = *ttl;
  }
  return ttls;
}

std::string encode_node(std::string_view node) {
  return dump(Json{{"Node", std::string(node)},
                   {"Address", "127.0.0.1"},
                   {"NodeMeta", {{"external-node", "true"}}}});
}

std::string encode_service(std::string_view id, std::uint16_t port, std::string_view check_url) {
  return dump(Json{{"ID", std::string(id)},
                   {"Name", "flanneld"},
                   {"Port", port},
                   {"Check",
                    {{"Name", "the host is ready for packets of the overlay"},
                     {"HTTP", std::string(check_url)},
                     {"Interval", "10s"},
                     {"Timeout", "5s"}}}});
}

}  // namespace flannel
