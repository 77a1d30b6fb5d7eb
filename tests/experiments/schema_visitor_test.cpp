// The visitor that makes a schema of a description, on descriptions with keys that depend on
// others.
#include <gtest/gtest.h>

#include "experiments/file/schema.h"

namespace redoubt::experiments {

namespace {

struct Garden {
  enum class Kind : std::uint8_t { lawn, bed, pond };
  Kind kind = Kind::lawn;
  bool fenced = false;
  int height = 1;
  std::optional<int> fish = {};
  double food = 0.5;
  std::vector<int> plants = {};
  float spacing = 0.1F;
  std::string owner = {};
};

}  // namespace

template <>
struct EnumNames<Garden::Kind> {
  using Kind = Garden::Kind;
  static constexpr Names<Kind, 3> names = {
      {{"lawn", Kind::lawn}, {"bed", Kind::bed}, {"pond", Kind::pond}}};
};
template <>
struct Description<Garden> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("kind", s.kind, "what it is");
    if (s.kind != Garden::Kind::pond) v.field("fenced", s.fenced, "whether a fence is around it");
    if (s.kind != Garden::Kind::pond && s.fenced) v.field("height", s.height, "", at_least(1));
    if (s.kind == Garden::Kind::pond) {
      v.field("fish", s.fish, "how many; null: none", between(1, 9));
      if (s.fish) v.field("food", s.food, "", above(0));
    }
    v.field("plants", s.plants, "their numbers", at_least(0));
    if (!s.plants.empty()) v.field("spacing", s.spacing, "", from_to_below(0, 1));
    v.required("owner", s.owner, "whose it is");
  }
};

namespace {

Json schema_of(const Garden& fresh) {
  Definitions definitions = Json::object();
  return value_schema(fresh, {}, definitions);
}

std::vector<std::string> keys_of(const Json& schema) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : schema.at("properties").items()) keys.push_back(key);
  return keys;
}

}  // namespace

TEST(SchemaVisitor, FindsTheKeysOfEveryStateInTheirOrder) {
  EXPECT_EQ(keys_of(schema_of({})),
            (std::vector<std::string>{"kind", "fish", "food", "fenced", "height", "plants",
                                      "spacing", "owner"}));
}

TEST(SchemaVisitor, SaysWhatAKeyNeedsOfOthers) {
  const Json needs = schema_of({}).at("dependentSchemas");
  EXPECT_EQ(needs.at("fenced"),
            Json::parse(R"({"properties": {"kind": {"enum": ["lawn", "bed"]}}})"));
  EXPECT_EQ(needs.at("height").at("properties").at("fenced"), Json::parse(R"({"const": true})"));
  EXPECT_EQ(needs.at("height").at("required"), Json::parse(R"(["fenced"])"));
  EXPECT_EQ(needs.at("fish"),
            Json::parse(R"({"properties": {"kind": {"const": "pond"}}, "required": ["kind"]})"));
  EXPECT_EQ(
      needs.at("food"),
      Json::parse(R"({"properties": {"fish": {"not": {"const": null}}}, "required": ["fish"]})"));
  EXPECT_EQ(needs.at("spacing"),
            Json::parse(R"({"properties": {"plants": {"minItems": 1}}, "required": ["plants"]})"));
  EXPECT_FALSE(needs.contains("plants"));
  EXPECT_FALSE(needs.contains("owner"));
}

TEST(SchemaVisitor, NeedsNothingThatIsSoWhereAFileIsSilent) {
  const Json needs = schema_of({.kind = Garden::Kind::pond, .fish = 3}).at("dependentSchemas");
  EXPECT_EQ(needs.at("fish"), Json::parse(R"({"properties": {"kind": {"const": "pond"}}})"));
  EXPECT_FALSE(needs.at("food").contains("required"));
  EXPECT_EQ(needs.at("fenced").at("required"), Json::parse(R"(["kind"])"));
}

TEST(SchemaVisitor, TellsTypesRangesDefaultsAndHelp) {
  const Json schema = schema_of({});
  const Json& properties = schema.at("properties");
  EXPECT_EQ(properties.at("kind"), Json::parse(R"({"description": "what it is",
      "enum": ["lawn", "bed", "pond"], "default": "lawn"})"));
  EXPECT_EQ(properties.at("fish"), Json::parse(R"({"description": "how many; null: none",
      "type": ["integer", "null"], "minimum": 1, "maximum": 9, "default": null})"));
  EXPECT_EQ(properties.at("food"), Json::parse(R"({"description": "", "type": "number",
      "exclusiveMinimum": 0, "default": 0.5})"));
  EXPECT_EQ(properties.at("spacing"), Json::parse(R"({"description": "", "type": "number",
      "minimum": 0, "exclusiveMaximum": 1, "default": 0.1})"))
      << "a float's default is the shortest number that it is";
  EXPECT_EQ(properties.at("plants").at("items").at("maximum"), 2147483647);
  EXPECT_FALSE(properties.at("owner").contains("default"));
  EXPECT_EQ(schema.at("required"), Json::parse(R"(["owner"])"));
  EXPECT_EQ(schema.at("additionalProperties"), false);
}

}  // namespace redoubt::experiments
