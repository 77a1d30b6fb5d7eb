// The visitors of keys: reading, writing and the schema, on settings with keys that depend on
// others, with forms and with kinds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "experiments/file/reader.h"
#include "experiments/file/schema.h"
#include "tests/support/expect_message.h"

namespace redoubt {

namespace {

struct Garden {
  enum class Kind : std::uint8_t { lawn, bed, pond };
  friend constexpr Names<Kind, 3> names_of(Kind) {
    return {{{"lawn", Kind::lawn}, {"bed", Kind::bed}, {"pond", Kind::pond}}};
  }
  Kind kind = Kind::lawn;
  bool fenced = false;
  int height = 1;
  std::optional<int> fish = {};
  double food = 0.5;
  std::vector<int> plants = {};
  float spacing = 0.1F;
  std::string owner = {};

  static auto& shorthand(auto& s) { return s.owner; }
  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("kind", s.kind, "what it is");
    auto dry = v.when("kind", s.kind, Kind::lawn, Kind::bed);
    dry.field("fenced", s.fenced, "whether a fence is around it");
    dry.when("fenced", s.fenced, true).field("height", s.height, "", at_least(1));
    auto wet = v.when("kind", s.kind, Kind::pond);
    wet.field("fish", s.fish, "how many; null: none", between(1, 9));
    wet.when_given("fish", s.fish).field("food", s.food, "", above(0));
    v.field("plants", s.plants, "their numbers", at_least(0));
    v.when_given("plants", s.plants).field("spacing", s.spacing, "", from_to_below(0, 1));
    v.required("owner", s.owner, "whose it is");
    v.require(s.owner != "nobody", "found no owner but nobody");
  }
};

/// `none`, a number, or `{litres: number}`.
struct Water {
  enum class Kind : std::uint8_t { none, share, litres };
  Kind kind = Kind::share;
  double amount = 0.5;
  template <class V, class S>
  static void forms(V& v, S& s) {
    v.word(s.kind, Kind::none, "none");
    v.number(s.kind, Kind::share, s.amount, between(0, 1));
    v.map(s.kind, Kind::litres,
          [&](auto& keys) { keys.required("litres", s.amount, "so many", above(0)); });
  }
};

struct Rain {
  static constexpr const char* kName = "rain";
  static constexpr const char* kDescription = "from above";
  struct Settings {
    template <class V, class S>
    static void keys(V& /*v*/, S& /*s*/) {}
  };
};
struct Hose {
  static constexpr const char* kName = "hose";
  static constexpr const char* kDescription = "from the house";
  struct Settings {
    int length = 0;
    Water water;
    static auto& shorthand(auto& s) { return s.length; }
    template <class V, class S>
    static void keys(V& v, S& s) {
      v.required("length", s.length, "metres", at_least(1));
      v.field("water", s.water, "how much");
    }
  };
};
struct Sources : ListOf<Rain, Hose> {
  static constexpr const char* what = "a source";
};
struct KeyedSources : ListOf<Hose, Rain> {
  static constexpr const char* what = "another source";
  static constexpr const char* key = "kind";
};
/// One of the sources, and a key that all of them have.
struct NamedSource {
  Sources::Settings source;
  std::string name;
  static auto& alternative(auto& s) { return s.source; }
  static bool has_keys_beside(const NamedSource& s) { return !s.name.empty(); }
  template <class V, class S>
  static void keys(V& v, S& s) {
    v.given("name", s.name, "its name");
  }
};

}  // namespace

template <>
struct KindOf<Sources::Settings> {
  using type = Sources;
};
template <>
struct KindOf<KeyedSources::Settings> {
  using type = KeyedSources;
};

}  // namespace redoubt

namespace redoubt::experiments {

using ::testing::HasSubstr;

namespace {

template <class T>
T read_text_as(const std::string& text, T to = {}) {
  const SpecSource source = {.name = "garden.yaml", .overrides = {}};
  read({YAML::Load(text), "", source}, to, {});
  return to;
}

template <class T>
std::string message_of(const std::string& text) {
  return test::input_error([&] { read_text_as<T>(text); });
}

template <class T>
Json schema_of(const T& fresh) {
  Definitions definitions = Json::object();
  return value_schema(fresh, {}, definitions);
}

std::vector<std::string> keys_of(const Json& schema) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : schema.at("properties").items()) keys.push_back(key);
  return keys;
}

}  // namespace

TEST(Keys, AreReadWhereTheirConditionHolds) {
  const auto garden = read_text_as<Garden>("{kind: pond, fish: 3, food: 2, owner: me}");
  EXPECT_EQ(garden.kind, Garden::Kind::pond);
  EXPECT_EQ(garden.fish, 3);
  EXPECT_EQ(garden.food, 2);
}

TEST(Keys, SayWhatTheyGoWithWhereItDoesNotHold) {
  EXPECT_EQ(message_of<Garden>("{fish: 3, owner: me}"),
            "garden.yaml:1: fish: found a key that goes with kind: pond; kind is lawn");
  EXPECT_EQ(message_of<Garden>("{kind: pond, fenced: true, owner: me}"),
            "garden.yaml:1: fenced: found a key that goes with kind: lawn or bed; kind is pond");
  EXPECT_EQ(message_of<Garden>("{kind: pond, food: 1, owner: me}"),
            "garden.yaml:1: food: found a key that goes with fish");
}

TEST(Keys, ThatAreUnknownOrMissingAreNamed) {
  EXPECT_THAT(message_of<Garden>("{knid: pond}"), HasSubstr("unknown key; did you mean \"kind\"?"));
  EXPECT_THAT(message_of<Garden>("{kind: pond}"), HasSubstr("found no owner"));
  EXPECT_THAT(message_of<Garden>("{owner: nobody}"), HasSubstr("found no owner but nobody"));
}

TEST(Keys, AValueAloneIsTheMemberThatItMeans) {
  EXPECT_EQ(read_text_as<Garden>("me").owner, "me");
  EXPECT_EQ(message_of<Garden>("nobody"), "garden.yaml:1: found no owner but nobody");
}

TEST(Keys, AreWrittenWhereTheirConditionHolds) {
  Garden garden = {.kind = Garden::Kind::pond, .fish = 3, .owner = "me"};
  EXPECT_EQ(yaml_text(garden), "kind: pond\nfish: 3\nfood: 0.5\nplants: []\nowner: me");
  garden = {.fenced = true, .plants = {1, 2}, .owner = "me"};
  EXPECT_EQ(yaml_text(garden),
            "kind: lawn\nfenced: true\nheight: 1\nplants: [1, 2]\nspacing: 0.1\nowner: me");
}

TEST(Forms, AreAWordANumberOrAMap) {
  EXPECT_EQ(read_text_as<Water>("none").kind, Water::Kind::none);
  EXPECT_EQ(read_text_as<Water>("0.25").amount, 0.25);
  const auto litres = read_text_as<Water>("{litres: 3}");
  EXPECT_EQ(litres.kind, Water::Kind::litres);
  EXPECT_EQ(litres.amount, 3);
}

TEST(Forms, AreWrittenAsTheyAreRead) {
  for (const char* text : {"none", "0.25", "{litres: 3}"}) {
    EXPECT_EQ(yaml_text(read_text_as<Water>(text)), text);
  }
}

TEST(Forms, RefuseWhatIsNoneOfThemAndWhatIsOutOfRange) {
  EXPECT_EQ(message_of<Water>("some"),
            "garden.yaml:1: found \"some\"; it must be none, a number from 0 to 1 or a map of "
            "keys");
  EXPECT_THAT(message_of<Water>("2"), HasSubstr("a number from 0 to 1"));
  EXPECT_THAT(message_of<Water>("{litres: 0}"), HasSubstr("litres: found \"0\""));
}

TEST(Kinds, AreANameOrANameOverItsSettings) {
  EXPECT_EQ(read_text_as<Sources::Settings>("rain").index(), 0U);
  const auto alone = read_text_as<Sources::Settings>("{hose: 12}");
  EXPECT_EQ(std::get<Hose::Settings>(alone).length, 12);
  const auto whole = read_text_as<Sources::Settings>("{hose: {length: 12, water: none}}");
  EXPECT_EQ(std::get<Hose::Settings>(whole).water.kind, Water::Kind::none);
  EXPECT_THAT(message_of<Sources::Settings>("rian"),
              HasSubstr("is not a source; did you mean \"rain\"?"));
  EXPECT_THAT(message_of<Sources::Settings>("hose"), HasSubstr("found no length"));
  EXPECT_THAT(message_of<Sources::Settings>("{hose: 0}"), HasSubstr("a whole number, at least 1"));
}

TEST(Kinds, UnderAKeyAreANameOrAMapWithItsSettings) {
  const auto rain = read_text_as<KeyedSources::Settings>("rain");
  EXPECT_EQ(rain.index(), 1U);
  const auto hose = read_text_as<KeyedSources::Settings>("{kind: hose, length: 2}", rain);
  EXPECT_EQ(std::get<Hose::Settings>(hose).length, 2);
  EXPECT_EQ(yaml_text(hose), "kind: hose\nlength: 2\nwater: 0.5");
}

TEST(Kinds, MayHaveAKeyThatAllShare) {
  const auto named = read_text_as<NamedSource>("{hose: {length: 12, name: green}}");
  EXPECT_EQ(named.name, "green");
  EXPECT_EQ(yaml_text(named), "{hose: {length: 12, water: 0.5, name: green}}");
  EXPECT_EQ(yaml_text(read_text_as<NamedSource>("rain")), "rain");
  EXPECT_EQ(yaml_text(read_text_as<NamedSource>("{rain: {name: wet}}")), "{rain: {name: wet}}");
}

TEST(Schema, HasTheKeysInTheirOrder) {
  EXPECT_EQ(keys_of(schema_of(Garden{}).at("oneOf").back()),
            (std::vector<std::string>{"kind", "fenced", "height", "fish", "food", "plants",
                                      "spacing", "owner"}));
}

TEST(Schema, SaysWhatAKeyNeedsOfOthers) {
  const Json map = schema_of(Garden{}).at("oneOf").back();
  const Json& needs = map.at("dependentSchemas");
  EXPECT_EQ(needs.at("fenced"),
            Json::parse(R"({"properties": {"kind": {"enum": ["lawn", "bed"]}}})"));
  EXPECT_EQ(needs.at("height").at("properties").at("fenced"), Json::parse(R"({"const": true})"));
  EXPECT_EQ(needs.at("height").at("required"), Json::parse(R"(["fenced"])"));
  EXPECT_EQ(needs.at("fish"),
            Json::parse(R"({"properties": {"kind": {"const": "pond"}}, "required": ["kind"]})"));
  EXPECT_EQ(needs.at("food").at("properties").at("fish"),
            Json::parse(R"({"not": {"const": null}})"));
  EXPECT_EQ(needs.at("food").at("required"), Json::parse(R"(["kind", "fish"])"));
  EXPECT_EQ(needs.at("spacing"),
            Json::parse(R"({"properties": {"plants": {"minItems": 1}}, "required": ["plants"]})"));
  EXPECT_FALSE(needs.contains("plants"));
  EXPECT_FALSE(needs.contains("owner"));
}

TEST(Schema, NeedsNothingThatIsSoWhereAFileIsSilent) {
  const Json schema = schema_of(Garden{.kind = Garden::Kind::pond, .fish = 3});
  const Json needs = schema.at("oneOf").back().at("dependentSchemas");
  EXPECT_EQ(needs.at("fish"), Json::parse(R"({"properties": {"kind": {"const": "pond"}}})"));
  EXPECT_FALSE(needs.at("food").contains("required"));
  EXPECT_EQ(needs.at("fenced").at("required"), Json::parse(R"(["kind"])"));
}

TEST(Schema, TellsTypesRangesDefaultsAndHelp) {
  const Json schema = schema_of(Garden{}).at("oneOf").back();
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

TEST(Schema, PassesTheFormsAndTheKinds) {
  EXPECT_EQ(schema_of(Water{}).at("oneOf").size(), 3U);
  Definitions definitions = Json::object();
  value_schema(Sources::Settings{}, {}, definitions);
  const Json& source = definitions.at("source").at("oneOf");
  EXPECT_EQ(source.front(), Json::parse(R"({"enum": ["rain"]})")) << "a hose needs its length";
  EXPECT_EQ(source.back().at("properties").at("hose").at("oneOf").size(), 2U);
}

}  // namespace redoubt::experiments
