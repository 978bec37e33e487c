import org.jetbrains.kotlin.gradle.dsl.JvmTarget

plugins {
    alias(libs.plugins.android.application)
    alias(libs.plugins.kotlin.android)
}

val repository = rootProject.layout.projectDirectory.dir("..")

// The app has the version of the SDK; sdk_builder/app/resources.py makes the same code of it.
val sdkVersion: String = providers
    .fileContents(repository.file("sdk_builder/__init__.py"))
    .asText
    .map { Regex("__version__ = \"([^\"]+)\"").find(it)!!.groupValues[1] }
    .get()

fun versionCodeOf(version: String): Int {
    val numbers = version.split(".").take(3).map { part ->
        part.takeWhile(Char::isDigit).ifEmpty { "0" }.toInt().coerceAtMost(99)
    }
    val (major, minor, patch) = numbers + List(3 - numbers.size) { 0 }
    return (major * 10_000 + minor * 100 + patch).coerceAtLeast(1)
}

fun setting(name: String): String? = providers.gradleProperty(name).orNull

android {
    namespace = "io.shakti.demo"
    compileSdk = libs.versions.compileSdk.get().toInt()

    defaultConfig {
        applicationId = "io.shakti.demo"
        minSdk = libs.versions.minSdk.get().toInt()
        targetSdk = libs.versions.targetSdk.get().toInt()
        versionName = sdkVersion
        versionCode = versionCodeOf(sdkVersion)
        ndk {
            abiFilters += (setting("shakti.abis") ?: "arm64-v8a").split(",")
        }
    }

    // One runtime each: src/official and src/community have the adapter to it, and nothing else.
    flavorDimensions += "runtime"
    productFlavors {
        create("official") { dimension = "runtime" }
        create("community") { dimension = "runtime" }
    }

    buildTypes {
        release {
            isMinifyEnabled = true
            proguardFiles("proguard-rules.pro")
            signingConfig = signingConfigs.getByName("debug")
        }
    }

    // Stored and on 16 KiB in the APK, so that phones with large pages can map them from there.
    packaging {
        jniLibs {
            useLegacyPackaging = false
        }
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_1_8
        targetCompatibility = JavaVersion.VERSION_1_8
    }

    testOptions {
        unitTests {
            isIncludeAndroidResources = true
            all { test -> test.setUp() }
        }
    }
}

kotlin {
    compilerOptions {
        jvmTarget.set(JvmTarget.JVM_1_8)
        progressiveMode.set(true)
    }
}

/** What sdk_builder's runner (tests/app) gives the tests, too. */
fun Test.setUp() {
    // These need Android's own native library in the JVM, which tests/app prepares.
    filter.excludeTestsMatching("*RuntimeTest")
    maxHeapSize = "2g"
    for (name in listOf("java.io", "java.lang", "java.util", "java.nio", "java.net")) {
        jvmArgs("--add-opens=java.base/$name=ALL-UNNAMED")
    }
    val folders = mapOf(
        "shakti.fixtures" to repository.dir("tests/fixtures"),
        "shakti.golden" to repository.dir("docs/app"),
        "shakti.screenshots" to repository.dir("build/app-screenshots"),
    )
    folders.forEach { (name, folder) -> systemProperty(name, folder.asFile.path) }
    for (name in listOf("shakti.bundle.q4", "shakti.bundle.none", "shakti.tokenizers")) {
        setting(name)?.let { systemProperty(name, it) }
    }
}

dependencies {
    implementation(libs.bundles.app)
    "officialImplementation"(libs.bundles.runtime.official)
    "communityImplementation"(libs.bundles.runtime.community)
    testImplementation(libs.bundles.test)
}

// The sources have small stand-ins for these, so that the tests run without Google's repository.
configurations.matching { it.name.contains("UnitTest") }.configureEach {
    exclude(group = "androidx.test")
    exclude(group = "androidx.test.espresso")
    exclude(group = "com.google.testparameterinjector")
}

// The community runtime comes from an npm package, unpacked by `shakti-sdk demo build --runtime
// community`: a folder with classes.jar and jni/ABI/*.so.
setting("shakti.community")?.let { folder ->
    android.sourceSets.getByName("community").jniLibs.srcDir("$folder/jni")
    dependencies.add("communityImplementation", files("$folder/classes.jar"))
}

androidComponents {
    beforeVariants(selector().withFlavor("runtime" to "community")) { variant ->
        variant.enable = setting("shakti.community") != null
    }
}
