//! The 27 kinds of event, how often each occurs, and what it carries.

/// The kind of page an event is sent from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Page {
    Product,
    Listing,
    Landing,
    Static,
    Home,
    Cart,
    Account,
    Checkout,
    Success,
    Search,
    Recommendations,
}

/// The members that an event carries besides those of every event.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Extra {
    /// The product, its options, where the visitor came from.
    View,
    /// The product and the options chosen so far.
    Choice,
    /// The filters of a list, as one object.
    Filters,
    /// The product that was recommended.
    Recommended,
    /// One product with its price.
    Added,
    /// The contents of the cart.
    Cart,
    /// The same, with an order number.
    Order,
    /// `option` is the empty text.
    EmptyOption,
    /// Nothing.
    None,
}

/// One kind of event.
pub(super) struct Collection {
    /// The value of its member `collection`.
    pub name: &'static str,
    /// How many there are in the real topic.
    pub events: u64,
    /// Where it is sent from.
    pub page: Page,
    /// Whether it is sent when the page opens, and not by an action on the page.
    pub opens: bool,
    /// What it carries.
    pub extra: Extra,
}

const fn opens(name: &'static str, events: u64, page: Page, extra: Extra) -> Collection {
    Collection { name, events, page, opens: true, extra }
}

const fn on(name: &'static str, events: u64, page: Page, extra: Extra) -> Collection {
    Collection { name, events, page, opens: false, extra }
}

/// All kinds, with the counts of the real topic: 41,432,473 events of April to June 2020.
pub(super) const COLLECTIONS: [Collection; 27] = [
    opens("view_listing_page", 11_259_694, Page::Listing, Extra::Filters),
    opens("view_product_detail", 10_944_427, Page::Product, Extra::View),
    on("select_product_option", 8_844_342, Page::Product, Extra::Choice),
    on("select_product_option_quality", 2_231_825, Page::Product, Extra::Choice),
    opens("view_static_page", 1_451_565, Page::Static, Extra::EmptyOption),
    opens("view_landing_page", 1_434_230, Page::Landing, Extra::EmptyOption),
    on("product_detail_recommendation_visible", 1_302_362, Page::Product, Extra::Choice),
    on("product_detail_recommendation_noticed", 490_780, Page::Product, Extra::Choice),
    on("product_detail_recommendation_clicked", 179_228, Page::Product, Extra::Recommended),
    opens("view_home_page", 1_053_420, Page::Home, Extra::EmptyOption),
    on("listing_page_recommendation_visible", 718_048, Page::Listing, Extra::Filters),
    on("listing_page_recommendation_noticed", 39_819, Page::Listing, Extra::Filters),
    on("listing_page_recommendation_clicked", 25_545, Page::Listing, Extra::Recommended),
    opens("view_shopping_cart", 343_077, Page::Cart, Extra::Cart),
    on("landing_page_recommendation_visible", 314_999, Page::Landing, Extra::None),
    on("landing_page_recommendation_noticed", 58_186, Page::Landing, Extra::None),
    on("landing_page_recommendation_clicked", 20_128, Page::Landing, Extra::Recommended),
    opens("search_box_action", 238_308, Page::Search, Extra::None),
    on("add_to_cart_action", 187_901, Page::Product, Extra::Added),
    opens("view_my_account", 112_066, Page::Account, Extra::EmptyOption),
    opens("checkout", 88_540, Page::Checkout, Extra::Order),
    opens("view_all_recommend", 33_664, Page::Recommendations, Extra::None),
    opens("checkout_success", 26_079, Page::Success, Extra::Order),
    on("product_view_all_recommend_clicked", 16_682, Page::Recommendations, Extra::Recommended),
    opens("view_sorting_relevance", 15_284, Page::Listing, Extra::Filters),
    on("sorting_relevance_click_action", 1_713, Page::Listing, Extra::Recommended),
    on("back_to_product_action", 561, Page::Product, Extra::Choice),
];
